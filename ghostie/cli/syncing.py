"""The arguments of the commands that keep devices in step."""

from __future__ import annotations

import argparse

from ghostie.cli.grammar import count, dry_run


def store_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store-passphrase-file",
        metavar="FILE",
        help="the passphrase of the vault on the store, where it is another than this device's",
    )


def setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", choices=("folder", "s3", "gist"), help="what kind of store (default: as before, else folder)"
    )
    where = parser.add_argument_group("where the store is")
    where.add_argument("--path", metavar="DIR", help="folder: the folder")
    where.add_argument("--bucket", metavar="NAME", help="s3: the bucket; it must be there")
    where.add_argument("--endpoint", metavar="URL", help="s3: the server (default: Amazon's)")
    where.add_argument("--prefix", metavar="WORD", help="s3, gist: keeps several vaults apart in one bucket or account")
    where.add_argument("--api-url", metavar="URL", help="gist: a service that speaks as GitHub's does")
    way = parser.add_argument_group("how to get there")
    way.add_argument("--region", metavar="NAME", help="s3: the region (default: the server says)")
    way.add_argument("--style", choices=("path", "virtual"), help="s3: where the bucket's name stands in an address")
    way.add_argument("--raw-url", metavar="URL", help="gist: where such a service shows raw contents")
    way.add_argument("--proxy", metavar="URL", help="s3, gist: go through this proxy, and through no other")
    way.add_argument("--authorities", metavar="FILE", help="s3, gist: certificates to trust in place of the usual ones")
    way.add_argument("--plain-http", action="store_true", default=None, help="s3, gist: allow an http:// address")
    way.add_argument(
        "--credentials-file",
        metavar="FILE",
        help="the store's credentials: a token, or lines NAME=VALUE (else GHOSTIE_S3_ACCESS_KEY and"
        " GHOSTIE_S3_SECRET_KEY, or GHOSTIE_GIST_TOKEN, else as before, else a prompt)",
    )
    way.add_argument("--new-credentials", action="store_true", help="not the credentials of before")
    way.add_argument(
        "--client-id", metavar="ID", help="gist: sign in by a code, with the app of this id (GHOSTIE_GIST_CLIENT_ID)"
    )
    parser.add_argument("--device-name", metavar="NAME", help="what this device is called")
    store_passphrase(parser)
    parser.add_argument("--again", action="store_true", help="the store was moved or emptied on purpose")


def invite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--valid", metavar="TIME", default="1d", help="for how long: 30min, 8h, 2d; at most 30d (default: 1d)"
    )
    parser.add_argument("--qr", action="store_true", help="a QR code, too, also where it may not fit")
    store_passphrase(parser)


def join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code",
        metavar="CODE",
        nargs="?",
        help="what `sync invite` showed; - reads standard input; without it, a prompt. In a command line others who"
        " use this machine can see it, and the shell's history keeps it",
    )
    parser.add_argument("--device-name", metavar="NAME", help="what this device is called")
    parser.add_argument("--path", metavar="DIR", help="folder: where the folder is on this device")
    parser.add_argument("--proxy", metavar="URL", help="s3, gist: go through this proxy, and through no other")
    parser.add_argument(
        "--authorities", metavar="FILE", help="s3, gist: certificates to trust in place of the usual ones"
    )
    store_passphrase(parser)


def pull(parser: argparse.ArgumentParser) -> None:
    dry_run(parser)
    parser.add_argument("--yes", action="store_true", help="also if it would remove many memories")


def run(parser: argparse.ArgumentParser) -> None:
    pull(parser)
    parser.add_argument(
        "--scheduled",
        type=count,
        nargs="?",
        const=0,
        metavar="SECONDS",
        help="as `sync auto` does it: asks nothing, has a time limit, tells only of failures; waits up to SECONDS",
    )


def auto(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("off", "status"), help="end it, or show how it goes (default)")
    parser.add_argument("--every", metavar="TIME", help="sync so often from now on: 15m, 1h, 1d")
    parser.add_argument(
        "--with",
        dest="with_",
        choices=("systemd", "cron", "android"),
        help="by a systemd user timer, cron, or an Android job (default: what is here)",
    )
    parser.add_argument(
        "--network", choices=("any", "unmetered"), help="on what network (default: unmetered on Android, else any)"
    )
    parser.add_argument(
        "--power",
        choices=("any", "not-low", "charging"),
        help="on what power (default: not while the battery is low on Android, else any)",
    )
    parser.add_argument("--anyway", action="store_true", help="also where only `ghostie unlock` opens the vault")


def status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not look at the store")


def conflict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", nargs="?", help="a memory's id, or enough of its beginning; without it, all are listed"
    )
    parser.add_argument("--keep", choices=("mine", "theirs", "both", "merged", "edit"), help="resolve it so")
    parser.add_argument("--all", action="store_true", help="resolve every open conflict so")


def devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not look at the store")
    parser.add_argument("--rename", metavar="NAME", help="give this device another name")
    parser.add_argument(
        "--retire",
        metavar="WRITER",
        help="end another device that is lost or sold: what only it published goes out from here, then its objects go",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a device is retired")
