"""Users: who they are, what they may do, what waits for a second one, and the journal of what they did."""

from hubwatch_store.users import acts_once, approvals, directory
from hubwatch_store.users.acts_once import ActDone
from hubwatch_store.users.approvals import Approval, NotAllowed
from hubwatch_store.users.directory import User, existing_user, find_user, has_directory, parse_grants, parse_user_name
from hubwatch_store.users.doing import check_may, doing
from hubwatch_store.users.journal import record
from hubwatch_store.users.known import KnownCaller, check_no_directory, taken_at_their_word, who, who_unused
from hubwatch_store.users.sessions import (
    ApiToken,
    Begun,
    Session,
    begin_session,
    current,
    end_session,
    end_sessions,
    forget_old,
    tokens_of,
)

__all__ = [
    "ActDone",
    "ApiToken",
    "Approval",
    "Begun",
    "KnownCaller",
    "NotAllowed",
    "Session",
    "User",
    "acts_once",
    "approvals",
    "begin_session",
    "check_may",
    "check_no_directory",
    "current",
    "directory",
    "doing",
    "end_session",
    "end_sessions",
    "existing_user",
    "find_user",
    "forget_old",
    "has_directory",
    "parse_grants",
    "parse_user_name",
    "record",
    "taken_at_their_word",
    "tokens_of",
    "who",
    "who_unused",
]
