"""Rendering of the pages: HTML by Jinja2 with autoescape, plain text for clients without a
browser, both in the languages of the locale files.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fluent.runtime import FluentBundle, FluentResource
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.core.files import content_type, shown_size, split_extension
from bot.core.limits import BoundedMap
from bot.core.ports.pages import PageContent, PageFile, PageOptions, file_url, page_url
from bot.inbound.pages import PageVisit

HERE: Final = Path(__file__).parent
ENGLISH: Final = "en"
CHINESE: Final = "zh-Hans"
LANGUAGES: Final = (ENGLISH, CHINESE)

MOST_RENDERED: Final = 64
"""Pages that are kept as they were rendered last, for when they are asked for again."""
LONGEST_HEADER: Final = 256
"""Characters of Accept-Language that are read; those of browsers have less than 100."""
ARCHIVES: Final = frozenset({"zip", "rar", "7z", "gz", "xz", "bz2", "zst", "tar", "tgz"})


class Texts:
    """The texts of one locale file."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        source = (HERE / "locales" / f"{tag}.ftl").read_text(encoding="utf-8")
        # Isolated in HTML by elements; plain text has names in addresses only.
        self._bundle = FluentBundle([tag], use_isolating=False)
        self._bundle.add_resource(FluentResource(source))
        self._fixed: dict[str, str] = {}

    def __call__(self, name: str, /, **args: str | int) -> str:
        """Return a text; raises `LookupError` if there is none, or a variable is missing."""
        if not args and name in self._fixed:
            return self._fixed[name]
        pattern = self._bundle.get_message(name).value
        assert pattern is not None  # noqa: S101 -- no message has attributes only.
        text, errors = self._bundle.format_pattern(pattern, dict(args))
        if errors:
            raise LookupError(f"{self.tag}: {name}: {errors[0]}")
        if not args:
            self._fixed[name] = str(text)
        return str(text)


@lru_cache(maxsize=512)
def pick_language(accepted: str) -> str:
    """Return the language for an Accept-Language header: Chinese of any kind, or English,
    whichever is preferred; English for all others.
    """
    best, best_weight = ENGLISH, 0.0
    for item in accepted.split(","):
        tag, _, parameter = item.strip().partition(";")
        primary = tag.strip().partition("-")[0].lower()
        weight = _weight(parameter)
        if weight > best_weight and primary in {"en", "zh"}:
            best, best_weight = CHINESE if primary == "zh" else ENGLISH, weight
    return best


def _weight(parameter: str) -> float:
    found = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameter)
    return float(found[1]) if found else 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for a `time` element: the browser shows it by its own clock."""

    iso: str
    text: str


def moment(at: datetime) -> Moment:
    """Return a time in UTC, which browsers without scripts show."""
    return Moment(at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M UTC"))


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as the page shows it. `form` is where the button of a limited file posts to; another
    one is a link to `url`, its plain address. `badge` is the extension, "" where it is none to
    show.
    """

    name: str
    badge: str
    meta: str
    sha256: str
    url: str
    download_label: str
    look_label: str
    ended: bool
    used_up: bool
    form: str = ""
    look: str = ""
    limit: str = ""
    hint: bool = False


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, under an address that changes with its content."""

    path: str
    body: bytes
    content_type: str


def load_assets() -> dict[str, Asset]:
    """Read the static files: by the name of their template variable."""
    found = {}
    for kind, mime in (("css", "text/css"), ("js", "text/javascript")):
        body = (HERE / "static" / f"page.{kind}").read_bytes()
        version = hashlib.sha256(body).hexdigest()[:12]
        found[kind] = Asset(f"/-/page.{version}.{kind}", body, f"{mime}; charset=utf-8")
    return found


def can_be_shown(file: PageFile) -> bool:
    """Return whether browsers can show such a file: what is stored as media or PDF."""
    stored = content_type(file.mime_type)
    return stored == "application/pdf" or stored.startswith(("image/", "video/", "audio/"))


def _kind(file: PageFile) -> str:
    stored = content_type(file.mime_type)
    if stored == "application/pdf":
        return "pdf"
    if stored.startswith(("image/", "video/", "audio/")):
        return stored.partition("/")[0]
    is_archive = split_extension(file.name)[1][1:].lower() in ARCHIVES
    return "archive" if is_archive else "other"


def _badge(name: str) -> str:
    extension = split_extension(name)[1][1:].upper()
    return extension if re.fullmatch(r"[A-Z0-9]{1,4}", extension) else ""


class PageRenderer:
    """Renders pages. `origin` is that of `web.url`; `shows_inline`, below, says whether browsers
    can show a file from where it is.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._texts = {tag: Texts(tag) for tag in LANGUAGES}
        self._rendered: BoundedMap[tuple[str, str], tuple[Any, str]] = BoundedMap(MOST_RENDERED)
        self.assets = load_assets()
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["assets"] = {
            name: asset.path for name, asset in self.assets.items()
        }
        self._templates = {
            name: self._environment.get_template(f"{name}.html")
            for name in ("page", "locked", "message")
        }

    def texts(self, language: str) -> Texts:
        """Return the texts of a language of `LANGUAGES`."""
        return self._texts[language]

    def message(
        self, language: str, title: str, hint: str, *, at: datetime | None = None, back: str = ""
    ) -> str:
        """Render a page with a title and a sentence, both named; `at` is the time at its end."""
        t = self._texts[language]
        when = moment(at) if at is not None else None
        return self._render(
            "message",
            t,
            title=t(title),
            description=t(hint),
            symbol=title.removeprefix("title-"),
            at=when,
            back=back,
        )

    def locked(self, language: str, token: str, problem: str = "") -> str:
        """Render the page that asks for the password: nothing of the files is in it."""
        t = self._texts[language]
        return self._render(
            "locked",
            t,
            title=t("title-locked"),
            description=t("title-locked-hint"),
            action=f"/{token}/password",
            problem=problem,
        )

    def page(
        self,
        language: str,
        visit: PageVisit,
        shows_inline: Callable[[PageFile], bool],
        *,
        report: bool | None = None,
    ) -> str:
        """Render an open page. `report` says whether it was reported just now, and is `None` where
        it cannot be.
        """
        t, content = self._texts[language], _open_content(visit)
        left = _last_end(visit, content) - visit.now
        # All that the text depends on; `shows_inline` says the same each time.
        minutes = left // timedelta(minutes=1)
        said = (content, minutes, [file.is_open(visit.now) for file in content.files], report)
        key = (language, content.page.token)
        before = self._rendered.get(key)
        if before is not None and before[0] == said:
            return before[1]
        shown = self._page(t, visit, content, shows_inline, report=report)
        self._rendered.set(key, (said, shown))
        return shown

    def _page(
        self,
        t: Texts,
        visit: PageVisit,
        content: PageContent,
        shows_inline: Callable[[PageFile], bool],
        *,
        report: bool | None,
    ) -> str:
        files = self._files(t, visit, content, shows_inline)
        link, ends = page_url(self._origin, content.page.token), _last_end(visit, content)
        meta = _meta_of_all(t, content)
        is_plain = content.page.options.password_hash is None
        return self._render(
            "page",
            t,
            title=content.files[0].name if len(files) == 1 else t("files", count=len(files)),
            description=files[0].meta if len(files) == 1 else meta,
            size=shown_size(sum(file.size for file in content.files)),
            files=files,
            sender=content.page.options.sender,
            until=moment(ends),
            now=moment(visit.now),
            left=_left(t, ends - visit.now),
            patterns=_patterns(t),
            link=link,
            list=f"{link}/all.txt" if is_plain else "",
            report="" if report is None else f"/{content.page.token}/report",
            reported=bool(report),
        )

    def _render(self, template: str, t: Texts, **values: Any) -> str:
        return self._templates[template].render(t=t, lang=t.tag, **values)

    def _files(
        self,
        t: Texts,
        visit: PageVisit,
        content: PageContent,
        shows_inline: Callable[[PageFile], bool],
    ) -> list[FileView]:
        return [
            self._file(t, visit, content, number, is_shown=shows_inline(file))
            for number, file in enumerate(content.files, 1)
        ]

    def _file(
        self, t: Texts, visit: PageVisit, content: PageContent, number: int, *, is_shown: bool
    ) -> FileView:
        file, options = content.files[number - 1], content.page.options
        is_limited = options.most_downloads is not None
        place = f"/{content.page.token}"
        kind = t(f"kind-{_kind(file)}")
        return FileView(
            name=file.name,
            badge=_badge(file.name),
            meta=t("size-and-kind", size=shown_size(file.size), kind=kind),
            sha256=file.sha256,
            url=file_url(self._origin, content, number),
            download_label=t("download-name", name=file.name),
            look_label=t("look-name", name=file.name),
            ended=not file.is_open(visit.now),
            used_up=file.is_used_up(options),
            form=f"{place}/{number}/get" if is_limited else "",
            look=f"{place}/look/{number}" if is_shown and not is_limited else "",
            limit=_limit(t, options, file),
            hint=can_be_shown(file) and not is_shown and not is_limited,
        )

    def text(self, language: str, visit: PageVisit) -> str:
        """Return an open page for a client without a browser: how to get the files."""
        t, content = self._texts[language], _open_content(visit)
        lines, is_counted = [], False
        for number, file in enumerate(content.files, 1):
            if file.is_open(visit.now) and not file.is_used_up(content.page.options):
                lines.append(f"{file.name}\n{shown_size(file.size)}  SHA-256 {file.sha256}")
                lines.append(t("text-get", url=file_url(self._origin, content, number)))
                if limit := _limit(t, content.page.options, file):
                    lines.append(limit)
                    is_counted = True
            else:
                is_open = file.is_open(visit.now)
                lines.append(f"{file.name}: {t('file-used-up' if is_open else 'file-ended')}")
        lines.append(t("text-until", until=moment(_last_end(visit, content)).text))
        if is_counted:
            lines.append(t("counted"))
        return "\n".join(lines) + "\n"

    def addresses(self, visit: PageVisit) -> str:
        """Return the addresses of all files that can be had, one a line, for `wget -i`."""
        content = _open_content(visit)
        return "".join(
            file_url(self._origin, content, number) + "\n"
            for number, file in enumerate(content.files, 1)
            if file.is_open(visit.now) and not file.is_used_up(content.page.options)
        )


def _open_content(visit: PageVisit) -> PageContent:
    if visit.content is None:
        raise ValueError("an unknown page has nothing to show")
    return visit.content


def _last_end(visit: PageVisit, content: PageContent) -> datetime:
    return max(file.stored.due_at for file in content.open_files(visit.now))


def _left(t: Texts, left: timedelta) -> str:
    minutes = int(left.total_seconds()) // 60
    if minutes >= 60:
        return t("left-hours", hours=minutes // 60, minutes=minutes % 60)
    return t("left-minutes", minutes=minutes) if minutes else t("left-seconds")


def _patterns(t: Texts) -> Mapping[str, str]:
    """Return the texts in which the browser puts the figures."""
    return {
        "hours": t("left-hours", hours="{h}", minutes="{m}"),
        "minutes": t("left-minutes", minutes="{m}"),
    }


def _meta_of_all(t: Texts, content: PageContent) -> str:
    size = shown_size(sum(file.size for file in content.files))
    return t("size-and-kind", size=size, kind=t("files", count=len(content.files)))


def _limit(t: Texts, options: PageOptions, file: PageFile) -> str:
    if options.most_downloads is None:
        return ""
    if options.most_downloads == 1:
        return t("once")
    return t("times-left", count=max(0, options.most_downloads - file.used))
