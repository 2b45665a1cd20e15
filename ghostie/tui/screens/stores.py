"""What each kind of store is asked for, one question each: where it is, how to get there, and its credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ghostie.tui.screens.asking import Choice, Question

STORE: Final = Question(
    "store",
    "Where do your devices meet?",
    "What goes there is sealed on this device first. It can be chosen or changed later, too.",
    "choice",
    choices=(
        Choice("none", "Nowhere for now", "the vault stays on this device"),
        Choice("folder", "A folder", "a disk, a network drive, a synced folder"),
        Choice("s3", "An S3 bucket", "of any provider, or your own server"),
        Choice("gist", "Gists", "secret gists of a GitHub account"),
        Choice("code", "Join by a code", "another device has a vault already"),
    ),
)
PLAIN: Final = Question(
    "plain_http",
    "That address is not encrypted on the way",
    "What is stored is sealed all the same, but the credentials could be read by whoever is in between.",
    "choice",
    choices=(
        Choice("", "Give another address", "one that begins with https://"),
        Choice("yes", "Go on with it", "for a server in your own network"),
    ),
)
TOKEN: Final = Question(
    "token_by",
    "How does this device get its token?",
    "GitHub lets it in with a token that may read and write gists. It can reach all gists of the account, so one of"
    " its own is best.",
    "choice",
    choices=(
        Choice("typed", "Type or paste a token", "made on the pages of the service: scope gist, no other"),
        Choice("code", "Sign in by a code", "with an OAuth app of yours that allows the device flow"),
    ),
)
CLIENT: Final = Question(
    "client_id",
    "The client id of the app",
    "It stands on the page of your OAuth app, and is no secret. The app has to allow the device flow.",
)
# where a store is, in the order that it is asked
WHERE: Final[Mapping[str, tuple[Question, ...]]] = {
    "folder": (
        Question("path", "Which folder?", "It may be empty, or hold the vault already. It has to be there.", "line"),
    ),
    "s3": (
        Question("bucket", "The bucket's name", "It has to be there already."),
        Question(
            "endpoint",
            "The server's address",
            "As the provider says it: https://… Leave it empty for Amazon.",
            needed=False,
        ),
    ),
    "gist": (),
}
# what has a sound default, and is asked where a person wants it
_PREFIX: Final = Question(
    "prefix",
    "A prefix",
    "One word that keeps several vaults apart in one bucket or account. Your devices need the same. Empty: none.",
    needed=False,
)
_PROXY: Final = Question(
    "proxy",
    "The proxy's address",
    "http://host:port. It is used, and no other. If it has a password, choose the proxy with its"
    " password instead. Empty: none.",
    needed=False,
)
_AUTHORITIES: Final = Question(
    "authorities",
    "A file of certificates",
    "They are trusted in place of the usual ones: for a server or a proxy with a certificate of your own. Empty: the"
    " usual ones.",
    needed=False,
)
FURTHER: Final[Mapping[str, tuple[Question, ...]]] = {
    "folder": (),
    "s3": (
        _PREFIX,
        Question("region", "The region", "As eu-central-1. Empty: the server says.", needed=False),
        Question(
            "style",
            "Where does the bucket's name stand?",
            "In an address that this device asks for.",
            "choice",
            choices=(
                Choice("", "As is usual there", "in the path of your own server, before Amazon's name"),
                Choice("path", "In the path", "https://server/bucket"),
                Choice("virtual", "Before the server's name", "https://bucket.server"),
            ),
        ),
        _PROXY,
        _AUTHORITIES,
    ),
    "gist": (
        _PREFIX,
        Question(
            "api_url",
            "The address of the service",
            "Of one that speaks as GitHub's does. Empty: GitHub.",
            needed=False,
        ),
        Question(
            "raw_url",
            "Where such a service shows raw contents",
            "Empty: at the same address, or as GitHub does.",
            needed=False,
        ),
        _PROXY,
        _AUTHORITIES,
    ),
}
SERVER: Final = {"s3": "endpoint", "gist": "api_url", "folder": "path"}  # the option that is the address
KEPT_SEALED: Final = "It is kept sealed, and is not shown."
SECRET: Final = "secret:"  # before the name of a credential, which may be that of an option, too


def question_of(backend: str, name: str) -> Question | None:
    """Return the question on the option *name* of *backend*."""
    known = {"plain_http": PLAIN} | {each.name: each for each in (*WHERE[backend], *FURTHER[backend])}
    return known.get(name)
