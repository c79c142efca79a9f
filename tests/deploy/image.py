"""The image without a registry and without an engine: built by Debian's buildah with chroot
isolation on a base of Debian's own packages, and run in a mount namespace as an engine does.

The base bears the name with which the Dockerfile begins. It is of the Debian release whose Python
has the version in that name, so that the packages are those that the real image gets.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.deploy.files import DEPLOY, ROOT, read

NAME: Final = "file-relay-bot"
SUITE: Final = os.environ.get("IMAGE_SUITE", "forky")
"""The release of Debian whose Python is that of the Dockerfile, or another one."""
PACKAGES: Final = "python3,python3-venv,ca-certificates"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DATA: Final = "/var/lib/relay-bot"
CONFIGURATION: Final = "/etc/relay-bot"

_ENTER: Final = """
root=$1 data=$2 configuration=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount --bind "$data" "$root$DATA"
mount --bind "$configuration" "$root$CONFIGURATION"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" --groups= "$root" setpriv --no-new-privs env -i "$@"
"""
"""What compose.yaml asks of an engine: a root file system that is read-only, a volume, a tmpfs, a
user without rights. Capabilities go with the user.
"""


class Unavailable(Exception):
    """The image cannot be built on this machine; the text says why."""


def require_tools() -> None:
    """Check what is needed.

    Raises:
        Unavailable: a program is missing, or the user is not root.
    """
    missing = [name for name in ("buildah", "mmdebstrap", "unshare") if not shutil.which(name)]
    if missing:
        raise Unavailable(f"not here: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise Unavailable("only root may mount and change its user")


def base_name() -> str:
    """Return the name with which the Dockerfile begins, without a digest."""
    found = re.search(r"(?m)^FROM (\S+?)(@\S+)? AS", read("Dockerfile"))
    assert found is not None
    return found[1]


def run(*command: str | Path, timeout: float = 300) -> str:
    """Run a command to its end, and return its output.

    Raises:
        AssertionError: it failed; the text has the end of what it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"{command[0]}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout


class Store:
    """Images below a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def buildah(self, *words: str | Path, timeout: float = 300) -> str:
        """Run buildah, and return its output."""
        # Copies whole layers, and works on every file system.
        places = ("--root", self.folder / "root", "--runroot", self.folder / "run")
        command = ("buildah", "--storage-driver", "vfs", *places, *words)
        return run(*command, timeout=timeout).strip()

    def add_base(self) -> None:
        """Make the base of Debian's packages, by the mirror and the rules of this machine."""
        rules = self.folder / "apt.conf"
        acquire = [
            line for line in run("apt-config", "dump").splitlines() if line.startswith("Acquire::")
        ]
        rules.write_text("\n".join(acquire), encoding="utf-8")
        tarball = self.folder / "base.tar"
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--aptopt={rules}"),
            *(f"--include={PACKAGES}", SUITE, tarball, mirror()),
            timeout=600,
        )
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, tarball, "/")
        self.buildah("config", "--env", f"PATH={PATH}", container)
        self.buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{base_name()}")
        tarball.unlink()

    def build(self) -> None:
        """Build the image as the Dockerfile says."""
        dockerfile = self.folder / "Dockerfile"
        # An image that was made here has no digest of a registry.
        text = re.sub(r"(?m)^(FROM \S+?)@\S+", r"\1", read("Dockerfile"))
        dockerfile.write_text(text, encoding="utf-8")
        self.buildah(
            *("build", "--isolation", "chroot", "--pull-never", "--format", "docker"),
            *(word for volume in pip_volumes(self.folder) for word in ("--volume", volume)),
            *("--ignorefile", DEPLOY / "Dockerfile.dockerignore", "--file", dockerfile),
            *("--tag", NAME, ROOT),
            timeout=600,
        )

    def run_on_base(self, script: str) -> str:
        """Run a script as root on a fresh base, in a checkout that cannot be written, and return
        its output. It is not reset when a line fails.
        """
        container = self.buildah("from", "--pull-never", base_name())
        volumes = [f"{ROOT}:/src:ro", *pip_volumes(self.folder)]
        return self.buildah(
            *("run", "--isolation", "chroot", "--workingdir", "/src"),
            *(word for volume in volumes for word in ("--volume", volume)),
            *(container, "--", "bash", "-euc", script),
            timeout=600,
        )

    def open(self) -> "Image":
        """Return the image, with its files in a folder."""
        found = json.loads(self.buildah("inspect", "--type", "image", NAME))
        root = Path(self.buildah("mount", self.buildah("from", "--pull-never", NAME)))
        for place in (DATA, CONFIGURATION):
            # As an engine does for what it mounts.
            (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return Image(root, found["Docker"]["config"])


def mirror() -> str:
    """Return the address from which this machine gets Debian's packages."""
    listed = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")
    of_debian = [site for site in listed.splitlines() if site.rstrip("/").endswith("/debian")]
    return of_debian[0] if of_debian else "http://deb.debian.org/debian"


def pip_volumes(folder: Path) -> list[str]:
    """Return what to mount while the image is built, so that pip finds packages as it does here:
    its settings, and the files that they name. Nothing of it stays in the image.
    """
    listed = run(sys.executable, "-m", "pip", "config", "list")
    found = dict(re.findall(r"(?m)^(?:global|:env:)\.([a-z-]+)='(.*)'$", listed))
    config = folder / "pip.conf"
    lines = [f"{key} = {value}" for key, value in found.items()]
    config.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    named = {_place(word) for value in found.values() for word in value.split()}
    places = sorted(str(path) for path in named if path.is_absolute() and path.exists())
    return [f"{config}:/etc/pip.conf:ro", *(f"{place}:{place}:ro" for place in places)]


def _place(word: str) -> Path:
    if not word.startswith("file:"):
        return Path(word)
    path = Path(urlsplit(word).path)
    # The pages of an index name files beside them.
    return path.parent if path.name == "simple" else path


@dataclass(frozen=True)
class Image:
    """An image whose files are at `root`; `config` is its configuration as Docker writes it."""

    root: Path
    config: Mapping[str, Any]

    def command(
        self,
        volume: Path,
        words: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        entrypoint: bool = True,
    ) -> list[str]:
        """Return the command that runs `words` in a container of the image, which replaces itself
        by them; `volume` is a folder for its data and its settings.
        """
        data, configuration = volume / "data", volume / "etc"
        configuration.mkdir(parents=True, exist_ok=True)
        data.mkdir(exist_ok=True)
        user = str(self.config["User"])
        os.chown(data, *(int(part) for part in user.split(":")))
        pairs = [*self.config["Env"], *(f"{k}={v}" for k, v in (environ or {}).items())]
        script = _ENTER.replace("$DATA", DATA).replace("$CONFIGURATION", CONFIGURATION)
        workdir = str(self.config["WorkingDir"])
        inside = [*(self.config["Entrypoint"] if entrypoint else ()), *words]
        return [
            *("unshare", "--mount", "sh", "-euc", script, "enter"),
            *(str(self.root), str(data), str(configuration), user),
            *("--chdir", workdir, *pairs, *inside),
        ]

    def run(
        self,
        volume: Path,
        *words: str,
        environ: Mapping[str, str] | None = None,
        entrypoint: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container to its end."""
        command = self.command(volume, words, environ=environ, entrypoint=entrypoint)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
