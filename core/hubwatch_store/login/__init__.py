"""Logins: passwords, second factors, wrong tries, and what comes back from an identity provider."""

from hubwatch_store.login.attempts import LoginLocked, forget_old
from hubwatch_store.login.login import (
    FIRST_ADMINISTRATOR,
    CodeWanted,
    LoginRefused,
    OneTimeOver,
    begin_vouched,
    change_password,
    confirm_second_factor,
    first_administrator,
    log_in,
    reset,
)
from hubwatch_store.login.oidc_logins import OidcLogin, begin_oidc, log_in_vouched, take_oidc
from hubwatch_store.login.second_factors import SecondFactorLost, TakenOver, begin_second_factor, take_over
from hubwatch_store.login.settings import LoginSection

__all__ = [
    "FIRST_ADMINISTRATOR",
    "CodeWanted",
    "LoginLocked",
    "LoginRefused",
    "LoginSection",
    "OidcLogin",
    "OneTimeOver",
    "SecondFactorLost",
    "TakenOver",
    "begin_oidc",
    "begin_second_factor",
    "begin_vouched",
    "change_password",
    "confirm_second_factor",
    "first_administrator",
    "forget_old",
    "log_in",
    "log_in_vouched",
    "reset",
    "take_oidc",
    "take_over",
]
