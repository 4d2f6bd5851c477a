"""Backup, restore and the account of both."""

from hubwatch_store.backup.account import (
    BackupAccount,
    Gap,
    RefusedEpoch,
    UnlistedEpochs,
    accounts,
    gaps,
    refused_epochs,
    unlisted_epochs,
)
from hubwatch_store.backup.archive import Manifest, verify
from hubwatch_store.backup.backup import create_backup
from hubwatch_store.backup.encryption import RECIPIENT, make_identity
from hubwatch_store.backup.restore import restore_backup

__all__ = [
    "RECIPIENT",
    "BackupAccount",
    "Gap",
    "Manifest",
    "RefusedEpoch",
    "UnlistedEpochs",
    "accounts",
    "create_backup",
    "gaps",
    "make_identity",
    "refused_epochs",
    "restore_backup",
    "unlisted_epochs",
    "verify",
]
