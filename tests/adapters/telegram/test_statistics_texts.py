"""The answer to `/stats`."""

from datetime import timedelta

from bot.adapters.telegram.languages import fits, load_languages
from bot.adapters.telegram.status_texts import StatisticsRenderer
from bot.core.ports.views import FailureCount, Statistics

LANGUAGES = load_languages()
EN, ZH = StatisticsRenderer(LANGUAGES["en"]), StatisticsRenderer(LANGUAGES["zh-Hans"])

BUSY = Statistics(
    done=1234,
    bytes=3 << 30,
    failed=4,
    cancelled=2,
    failures=(
        FailureCount("disk_full", 3, timedelta(minutes=5)),
        FailureCount("source_gone", 1, timedelta(seconds=5)),
    ),
    running=4,
    waiting=17,
    links=1,
    spool_used=12 << 20,
    spool_quota=10 << 30,
    disk_free=50 << 30,
    uptime=timedelta(hours=30, minutes=5),
    updates_set_aside=2,
    others_set_aside=1,
    versions=(("file-relay-bot", "0.1.0"), ("Python", "3.11.7")),
)


def test_everything_is_told() -> None:
    """Totals, current figures, errors by code, and versions are told."""
    assert EN.text(BUSY) == (
        "<b>Last 24 hours</b>\n"
        "1,234 files relayed, 3 GB\n"
        "Failed: 4, cancelled: 2\n"
        "\n"
        "<b>Now</b>\n"
        "Running: 4, waiting: 17\n"
        "1 live link\n"
        "Spool: 12 MB of 10 GB reserved, 50 GB free on the disk\n"
        "Given up after errors: messages 2, answers and others 1; relay-bot status lists them\n"
        "Uptime: 30 h 5 min\n"
        "\n"
        "<b>Last errors</b>\n"
        "<code>disk_full</code>: 3 times, the last 5 min ago\n"
        "<code>source_gone</code>: once, less than a minute ago\n"
        "\n"
        "file-relay-bot 0.1.0\n"
        "Python 3.11.7"
    )


def test_chinese() -> None:
    """The same in Chinese."""
    told = ZH.text(BUSY)

    assert "已转存 1,234 个文件，3 GB" in told
    assert "<code>disk_full</code>：3 次，最近一次在 5 分钟前" in told
    assert fits(told)


def test_without_errors_there_is_no_section() -> None:
    """An idle bot says little."""
    idle = Statistics(
        done=0,
        bytes=0,
        failed=0,
        cancelled=0,
        failures=(),
        running=0,
        waiting=0,
        links=0,
        spool_used=0,
        spool_quota=1,
        disk_free=1,
        uptime=timedelta(0),
    )

    assert "errors" not in EN.text(idle)
    assert EN.text(idle).endswith("Uptime: 0 s")
