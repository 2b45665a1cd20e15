"""A stand-in for GitHub's gists on loopback: state, history, and every anomaly that the service is known for.

It keeps every version of every gist and every content by git's name for it. What it takes and what it answers is held
against the published description, where that is at hand. Each anomaly is a switch, or a fault put in the way of the next
requests. Its clock goes on a second with every change, so that a test is the same every time.

    server = GistServer(GistContract.find())
    server.switches.empties_others = True
    server.fault("lost after", "PATCH")
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .gistcontract import GistContract
from .loopback import Answer, Fault, Loopback, Request

START = 1_790_000_000
TOKEN = "ghp_stand1n" + "0" * 25
DOCS = "https://docs.github.com/rest"

Files = dict[str, str]


@dataclass
class Switches:
    """How the service behaves for good."""

    inline: int = 1_000_000  # bytes of a file that are shown in a gist
    silent: bool = False  # about showing a file in part
    empties_others: bool = False  # one file beyond that, and no file of the gist is shown
    listed: int = 300  # files of a gist that are listed
    raw: int = 10_000_000  # bytes of a file that can be read raw
    page: int = 100  # gists on a page, at most
    raw_origin: str = ""  # another origin in the raw addresses than the service's
    raw_without_blob: bool = False
    stale_raw: bool = False  # the raw server shows what the file was before
    hidden: int = 0  # so many requests for a gist that was just made are answered 404
    lag: int = 0  # so many listings show what was before
    last_file: str = "refused"  # or "emptied": what comes of deleting the last one
    null_absent: str = "refused"  # or "ignored": what comes of deleting a file that is not there
    drops_new: bool = False  # takes new files, and does not keep them
    truncates: bool = False  # says of every gist that it shows only a part
    links: bool = True  # says that there is another page
    moves: bool = False  # a page turns while the next is read


@dataclass
class Version:
    sha: str
    at: int
    files: Files


@dataclass
class StoredGist:
    id: str
    description: str | None
    public: bool
    created: int
    versions: list[Version]
    hidden: int = 0

    @property
    def files(self) -> Files:
        return self.versions[-1].files

    @property
    def updated(self) -> int:
        return self.versions[-1].at


class Refused(Exception):
    """An answer that is not the hoped-for one."""

    def __init__(self, status: int, message: str, field_name: str = "", code: str = "") -> None:
        super().__init__()
        self.status = status
        self.body: dict[str, Any] = {"message": message, "documentation_url": DOCS}
        if code:
            self.body["errors"] = [{"resource": "Gist", "field": field_name, "code": code}]


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def blob(content: str) -> str:
    packed = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(packed) + packed).hexdigest()


def moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class GistServer:
    """The service, its raw server (another origin, as in life), what they hold and what they were asked."""

    def __init__(self, contract: GistContract | None = None) -> None:
        self.contract = contract
        self.switches = Switches()
        self.gists: dict[str, StoredGist] = {}
        self.tokens: dict[str, str | None] = {TOKEN: "gist"}  # the scopes of each; None: a fine-grained one
        self.violations: list[str] = []
        self.now = START
        self.lock = threading.RLock()
        self._before: list[StoredGist] = []
        self.api = Loopback(self._answer, lambda: self.now)
        self.raw = Loopback(self._answer_raw, lambda: self.now)

    def stop(self) -> None:
        self.api.stop()
        self.raw.stop()

    # -- for the tests -----------------------------------------------------------------------------------------------

    def fault(self, kind: str, method: str = "", path: str = "", **more: Any) -> None:
        """Put a fault in the way of the next requests of *method* whose path begins with *path*."""
        for server in (self.api, self.raw):
            server.faults.append(Fault(kind, method, path, **more))

    def asked(self) -> list[str]:
        """Return the requests since the last time this was asked, each as "METHOD status"; raw ones last."""
        return self.api.asked() + self.raw.asked()

    def limit(self, status: int, method: str = "", *, said: str = "", **headers: str) -> None:
        """Refuse the next request of *method* as one too many, or (without words of it) as not allowed."""
        body = json.dumps({"message": said, "documentation_url": DOCS}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.api.faults.append(Fault(str(status), method, headers=named, body=body))

    def of(self, description: str) -> list[StoredGist]:
        return [gist for gist in self.gists.values() if gist.description == description]

    def put(self, description: str, files: Files, *, public: bool = False) -> StoredGist:
        """Make a gist behind everybody's back."""
        with self.lock:
            return self._make(description, public, files)

    def change(self, gist: StoredGist, files: Mapping[str, str | None]) -> None:
        """Change a gist behind everybody's back."""
        with self.lock:
            self._commit(
                gist, {**gist.files, **{name: text for name, text in files.items() if text is not None}}, files
            )

    # -- the service -------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        with self.lock:
            body = json.loads(request.body) if request.body else None
            self._check(lambda contract: contract.request(request.method, request.path, request.query, body))
            headers = {
                "X-RateLimit-Limit": "5000",
                "X-RateLimit-Remaining": "4999",
                "X-RateLimit-Reset": str(self.now + 3600),
            }
            try:
                status, answer, more = self._route(request, body)
            except Refused as refused:
                status, answer, more = refused.status, refused.body, {}
            self._check(lambda contract: contract.answer(request.method, request.path, status, answer))
            packed = b"" if answer is None else json.dumps(answer).encode()
            scopes = self.tokens.get(_token(request))
            if scopes is not None:
                headers["X-OAuth-Scopes"] = scopes
            if request.method == "GET" and status == 200:
                headers["ETag"] = f'W/"{hashlib.sha256(packed).hexdigest()}"'
                if request.headers.get("if-none-match") == headers["ETag"]:
                    return 304, headers, b""
            return status, {**headers, **more, "Content-Type": "application/json; charset=utf-8"}, packed

    def _check(self, wrong: Callable[[GistContract], list[str]]) -> None:
        if self.contract is not None:
            self.violations += wrong(self.contract)

    def _route(self, request: Request, body: Any) -> tuple[int, Any, dict[str, str]]:
        if not request.headers.get("user-agent"):
            raise Refused(403, "Request forbidden by administrative rules.")
        if request.headers.get("x-github-api-version", "2022-11-28") != "2022-11-28":
            raise Refused(400, "The version of the API is not one that is known.")
        if _token(request) not in self.tokens:
            raise Refused(401, "Bad credentials")
        scopes = self.tokens[_token(request)]
        allowed = scopes is None or "gist" in scopes.split(", ")
        parts = request.path.strip("/").split("/")
        if request.method != "GET" and (request.headers.get("if-match") or request.headers.get("if-none-match")):
            raise Refused(400, "Conditional request headers are not allowed in unsafe requests unless supported.")
        if parts == ["gists"] and request.method == "GET":
            return self._list(request, secret=allowed)
        if not allowed:
            raise Refused(404, "Not Found")
        if parts == ["gists"] and request.method == "POST":
            self._check_files(body["files"])
            gist = self._make(body.get("description"), body.get("public") in (True, "true"), _contents(body["files"]))
            return 201, self._full(gist), {"Location": f"{self.api.url}/gists/{gist.id}"}
        gist = self._gist(parts[1])
        match request.method, parts[2:]:
            case "GET", []:
                return 200, self._full(gist), {}
            case "GET", ["commits"]:
                return 200, [self._commit_line(gist, version) for version in reversed(gist.versions)], {}
            case "GET", [sha]:
                found = [version for version in gist.versions if version.sha == sha]
                if not found:
                    raise Refused(404, "Not Found")
                return 200, self._full(gist, found[0]), {}
            case "DELETE", []:
                del self.gists[gist.id]
                return 204, None, {}
            case "PATCH", []:
                self._patch(gist, body or {})
                return 200, self._full(gist), {}
        raise Refused(404, "Not Found")

    def _gist(self, name: str) -> StoredGist:
        gist = self.gists.get(name)
        if gist is None:
            raise Refused(404, "Not Found")
        if gist.hidden:
            gist.hidden -= 1
            raise Refused(404, "Not Found")
        return gist

    def _list(self, request: Request, *, secret: bool) -> tuple[int, Any, dict[str, str]]:
        gists = list(self.gists.values())
        if self.switches.lag:
            self.switches.lag -= 1
            gists = self._before
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        size = min(size, self.switches.page)
        shown = sorted((gist for gist in gists if secret or gist.public), key=lambda gist: (-gist.updated, gist.id))
        if self.switches.moves and page > 1:
            self._commit(shown[-1], {**shown[-1].files, "moved": str(self.now)})
        more = {"Link": f'<{self.api.url}/gists?per_page={size}&page={page + 1}>; rel="next"'}
        answer = [self._base(gist) for gist in shown[(page - 1) * size : page * size]]
        return 200, answer, more if page * size < len(shown) and self.switches.links else {}

    def _make(self, description: str | None, public: bool, files: Files) -> StoredGist:
        self._remember()
        self.now += 1
        name = hashlib.sha256(f"gist {len(self.gists)} {self.now}".encode()).hexdigest()[:32]
        gist = StoredGist(name, description, public, self.now, [self._version(files)], self.switches.hidden)
        self.gists[name] = gist
        return gist

    def _patch(self, gist: StoredGist, body: Mapping[str, Any]) -> None:
        changes: Mapping[str, Any] = body.get("files", {})
        after = dict(gist.files)
        self._check_files({name: change for name, change in changes.items() if change is not None})
        for name, change in changes.items():
            if change is None and name not in after and self.switches.null_absent == "refused":
                raise Refused(422, "Validation Failed", "files", "missing_field")
            if change is None:
                after.pop(name, None)
            elif name in after or not self.switches.drops_new:
                text = change.get("content", after.get(name))
                after.pop(name, None)
                after[change.get("filename") or name] = text
        if not after and self.switches.last_file == "refused":
            raise Refused(422, "Validation Failed", "files", "missing_field")
        if "description" in body:
            gist.description = body["description"]
        self._commit(gist, after)

    def _commit(self, gist: StoredGist, after: Files, changes: Mapping[str, str | None] | None = None) -> None:
        gone = {name for name, text in (changes or {}).items() if text is None}
        self._remember()
        self.now += 1
        gist.versions.append(self._version({name: text for name, text in after.items() if name not in gone}))

    def _remember(self) -> None:
        if not self.switches.lag:
            self._before = [
                StoredGist(each.id, each.description, each.public, each.created, list(each.versions))
                for each in self.gists.values()
            ]

    def _version(self, files: Files) -> Version:
        sha = hashlib.sha1(f"{self.now} {sorted(files)}".encode()).hexdigest()
        return Version(sha, self.now, dict(sorted(files.items())))

    @staticmethod
    def _check_files(files: Mapping[str, Mapping[str, str]]) -> None:
        if not files:
            return
        for name, file in files.items():
            if "/" in name or name in (".", "..", "") or len(name) > 255:
                raise Refused(422, "Validation Failed", "files", "invalid")
            if file.get("content") == "":
                raise Refused(422, "Validation Failed", "files", "missing_field")

    # -- what is shown of a gist -------------------------------------------------------------------------------------

    def _base(self, gist: StoredGist, version: Version | None = None) -> dict[str, Any]:
        version = version or gist.versions[-1]
        at = f"{self.api.url}/gists/{gist.id}"
        shown = dict(list(version.files.items())[: self.switches.listed])
        return {
            "url": at,
            "forks_url": f"{at}/forks",
            "commits_url": f"{at}/commits",
            "id": gist.id,
            "node_id": f"G_{gist.id}",
            "git_pull_url": f"{at}.git",
            "git_push_url": f"{at}.git",
            "html_url": at,
            "files": {name: self._file(gist, name, text) for name, text in shown.items()},
            "public": gist.public,
            "created_at": moment(gist.created),
            "updated_at": moment(version.at),
            "description": gist.description,
            "comments": 0,
            "comments_enabled": True,
            "user": None,
            "comments_url": f"{at}/comments",
            "owner": self._owner(),
            "truncated": len(shown) < len(version.files) or self.switches.truncates,
        }

    def _full(self, gist: StoredGist, version: Version | None = None) -> dict[str, Any]:
        version = version or gist.versions[-1]
        shown = self._base(gist, version)
        large = any(len(text.encode()) > self.switches.inline for text in version.files.values())
        for name, file in shown["files"].items():
            text = version.files[name]
            cut = len(text.encode()) > self.switches.inline
            emptied = large and self.switches.empties_others
            file |= {
                "truncated": (cut or emptied) and not self.switches.silent,
                "content": "" if emptied else text[: self.switches.inline],
                "encoding": "utf-8",
            }
        history = [self._commit_line(gist, each) for each in reversed(gist.versions)]
        return {**shown, "forks": [], "history": history[:30]}

    def _file(self, gist: StoredGist, name: str, text: str) -> dict[str, Any]:
        origin = self.switches.raw_origin or self.raw.url
        sha = "" if self.switches.raw_without_blob else f"{blob(text)}/"
        return {
            "filename": name,
            "type": "text/plain",
            "language": "Text",
            "raw_url": f"{origin}/monalisa/{gist.id}/raw/{sha}{quote(name)}",
            "size": len(text.encode()),
        }

    def _commit_line(self, gist: StoredGist, version: Version) -> dict[str, Any]:
        return {
            "user": self._owner(),
            "version": version.sha,
            "committed_at": moment(version.at),
            "change_status": {"total": 1, "additions": 1, "deletions": 0},
            "url": f"{self.api.url}/gists/{gist.id}/{version.sha}",
        }

    def _owner(self) -> dict[str, Any]:
        at = f"{self.api.url}/users/monalisa"
        links = ("followers", "following", "gists", "starred", "subscriptions", "repos", "events", "received_events")
        return {
            "login": "monalisa",
            "id": 104456405,
            "node_id": "U_kgDOBhHyLQ",
            "avatar_url": at,
            "gravatar_id": "",
            "url": at,
            "html_url": at,
            "organizations_url": at,
            **{f"{name}_url": f"{at}/{name}" for name in links},
            "type": "User",
            "site_admin": False,
        }

    # -- raw contents ------------------------------------------------------------------------------------------------

    def _answer_raw(self, request: Request) -> Answer:
        kind = {"Content-Type": "text/plain; charset=utf-8"}
        _, gist_id, _, *rest = request.path.strip("/").split("/")
        gist, name = self.gists.get(gist_id), rest[-1]
        texts = [version.files[name] for version in gist.versions if name in version.files] if gist else []
        wanted = [text for text in texts if len(rest) == 1 or blob(text) == rest[0]]
        if not wanted or len(wanted[-1]) > self.switches.raw:
            return 404, kind, b"404: Not Found"
        if self.switches.stale_raw:
            return 200, kind, (texts[-2] if len(texts) > 1 else "what was there before").encode()
        return 200, kind, wanted[-1].encode()


def _contents(files: Mapping[str, Mapping[str, str]]) -> Files:
    if not files:
        raise Refused(422, "Validation Failed", "files", "missing_field")
    return {name: file["content"] for name, file in files.items()}
