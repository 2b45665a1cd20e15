"""What ghostie is installed from, pinned with a hash for every file, and the list of it as a bill of materials.

`python lock/make.py` resolves pyproject.toml anew (it needs `uv` on PATH) and writes base.txt (what every device gets),
native.txt (what is compiled, and left out on Android), build.txt (what packs ghostie) and sbom.cdx.json. `--check`
looks whether they fit pyproject.toml and each other, without a network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HEADER = {
    "base": "What every device gets: nothing in it is compiled. Made by lock/make.py.",
    "native": "What is compiled, and so is not fetched on Android. Made by lock/make.py.",
    "build": "What packs ghostie. Made by lock/make.py.",
}
SBOM = HERE / "sbom.cdx.json"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def wanted() -> dict[str, list[Requirement]]:
    """Return what pyproject.toml asks for, by the lock that holds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, list[Requirement]] = {"base": [], "native": [], "build": []}
    for text in project["project"]["dependencies"]:
        requirement = Requirement(text)
        found["native" if requirement.marker else "base"].append(requirement)
    found["build"] = [Requirement(text) for text in project["build-system"]["requires"]]
    return found


def pins(name: str) -> dict[str, tuple[str, list[str]]]:
    """Return the version and the hashes of every package in a lock."""
    parts = re.split(r"(?m)^(?=[A-Za-z0-9])", (HERE / f"{name}.txt").read_text(encoding="utf-8"))
    matched = [(_PIN.match(part), part) for part in parts]
    return {canonicalize_name(pin[1]): (pin[2], _HASH.findall(part)) for pin, part in matched if pin is not None}


def resolve(name: str, requirements: list[Requirement]) -> str:
    """Return a lock's text, as uv finds it."""
    lines = "".join(f"{requirement.name}{requirement.specifier}\n" for requirement in requirements)
    command = ["uv", "pip", "compile", "-q", "--universal", "--python-version", "3.11", "--generate-hashes", "-"]
    done = subprocess.run(
        [*command, "--no-header", "--no-annotate"], input=lines, capture_output=True, text=True, check=True
    )
    return f"# {HEADER[name]}\n{done.stdout}"


def sbom() -> str:
    """Return the bill of materials of what is installed, as CycloneDX JSON. The same locks give the same bytes."""
    from ghostie import __version__

    components: list[dict[str, Any]] = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{package}@{version}",
            "name": package,
            "version": version,
            "purl": f"pkg:pypi/{package}@{version}",
            "scope": scope,
        }
        for name, scope in (("base", "required"), ("native", "optional"), ("build", "excluded"))
        for package, (version, _) in sorted(pins(name).items())
    ]
    itself = {"type": "application", "bom-ref": "ghostie", "name": "ghostie", "version": __version__}
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**itself, "licenses": [{"license": {"id": "MIT"}}]}},
        "components": components,
        "dependencies": [
            {
                "ref": "ghostie",
                "dependsOn": sorted(item["bom-ref"] for item in components if item["scope"] != "excluded"),
            }
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return json.dumps({**body, "serialNumber": f"urn:uuid:{number}"}, indent=1, sort_keys=True) + "\n"


def faults() -> list[str]:
    """Return what does not fit."""
    found = []
    for name, requirements in wanted().items():
        held = pins(name)
        for requirement in requirements:
            version, _ = held.get(canonicalize_name(requirement.name), ("", []))
            if not version or not requirement.specifier.contains(version):
                found.append(f"lock/{name}.txt does not serve {requirement.name}{requirement.specifier}")
        found += [f"lock/{name}.txt has no hash for {package}" for package, (_, hashes) in held.items() if not hashes]
    if not SBOM.exists() or SBOM.read_text(encoding="utf-8") != sbom():
        found.append("lock/sbom.cdx.json is stale")
    return found


def main() -> int:
    if sys.argv[1:] != ["--check"]:
        if sys.argv[1:] != ["--sbom"]:
            for name, requirements in wanted().items():
                (HERE / f"{name}.txt").write_text(resolve(name, requirements), encoding="utf-8")
        SBOM.write_text(sbom(), encoding="utf-8")
    for fault in faults():
        sys.stderr.write(f"{fault}: python lock/make.py\n")
    return bool(faults())


if __name__ == "__main__":
    sys.exit(main())
