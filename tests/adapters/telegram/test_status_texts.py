"""Jobs under way, in words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.adapters.telegram.buttons import Action, Button, JobButton
from bot.adapters.telegram.languages import fits, load_languages
from bot.adapters.telegram.status_texts import StatusMessageRenderer
from bot.core.jobs import JobState, Phase
from bot.core.ports.views import StatusLine, StatusMessage

LANGUAGES = load_languages()
EN, ZH = StatusMessageRenderer(LANGUAGES["en"]), StatusMessageRenderer(LANGUAGES["zh-Hans"])

QUEUED = StatusLine(7, "report.pdf", JobState.QUEUED)
RUNNING = StatusLine(7, "report.pdf", JobState.RUNNING)
MOVING = replace(
    RUNNING,
    phase=Phase.MOVING,
    fraction=0.47,
    moved=6_186_598,
    total=13_002_342,
    rate=4_299_161.6,
    time_left=timedelta(seconds=130),
)


def second(status_messages: StatusMessageRenderer, line: StatusLine) -> str:
    """Return the progress of a status message with one job: the line below the name. Below that
    of a job that has ended stands that its answer follows.
    """
    name, progress, *more = status_messages.text(StatusMessage((line,))).split("\n")
    assert name == "<b>report.pdf</b>"
    assert len(more) == line.state.is_final
    return progress


@pytest.mark.parametrize(
    ("line", "english", "chinese"),
    [
        (QUEUED, "Waiting in the queue", "等待中"),
        (replace(QUEUED, position=3), "Waiting, position 3 in the queue", "排队中，第 3 位"),
        (
            replace(QUEUED, retry_in=timedelta(seconds=18), code="store_unavailable"),
            "Waiting: the storage cannot be reached; next attempt in 20 s",
            "等待重试：无法连接存储，20 秒后再试",
        ),
        (
            replace(QUEUED, retry_in=timedelta(0), code=None, position=2),
            "Waiting: the last attempt failed; next attempt now",
            "等待重试：上次尝试失败，马上再试",
        ),
        (
            replace(QUEUED, held=True, code="store_key_refused", position=2),
            "Waiting: the storage refuses the bot’s key (tell the bot’s admin)",
            "等待中：存储拒绝了机器人的密钥（请告知管理员）",
        ),
        (
            replace(RUNNING, phase=Phase.ROOM, total=5, fraction=0.0),
            "Waiting for free disk space; continues automatically",
            "等待磁盘空间，之后自动继续",
        ),
        (
            replace(RUNNING, phase=Phase.FETCHING),
            "Waiting for Telegram to provide the file",
            "正在等待 Telegram 提供文件",
        ),
        (
            replace(RUNNING, phase=Phase.FETCHING, elapsed=timedelta(seconds=75), fraction=0.0),
            "Waiting for Telegram to provide the file, 1 min so far",
            "正在等待 Telegram 提供文件，已用 1 分钟",
        ),
        (RUNNING, "Waiting for Telegram to provide the file", "正在等待 Telegram 提供文件"),
        (
            MOVING,
            "████░░░░░░ 47% · 5.9 MB of 12.4 MB · 4.1 MB/s · 3 min left",
            "████░░░░░░ 47% · 5.9 MB / 12.4 MB · 4.1 MB/秒 · 剩 3 分钟",
        ),
        (
            replace(MOVING, rate=None, time_left=None),
            "████░░░░░░ 47% · 5.9 MB of 12.4 MB",
            "████░░░░░░ 47% · 5.9 MB / 12.4 MB",
        ),
        (
            replace(MOVING, fraction=None, total=None, time_left=None),
            "5.9 MB so far · 4.1 MB/s",
            "已传 5.9 MB · 4.1 MB/秒",
        ),
        (replace(MOVING, phase=Phase.FINISHING), "██████████ Finishing", "██████████ 即将完成"),
        (replace(MOVING, cancelling=True), "Cancelling…", "正在取消…"),
        (
            replace(MOVING, paused=True),
            "Paused; continues after the restart",
            "已暂停，重启后继续",
        ),
        (replace(MOVING, state=JobState.DONE), "Done", "已完成"),
        (replace(MOVING, state=JobState.CANCELLED), "Cancelled", "已取消"),
        (
            replace(MOVING, state=JobState.FAILED, code="file_empty"),
            "Not accepted: the file is empty; check it and send it again.",
            "未接收：文件是空的，请检查后重新发送。",
        ),
    ],
)
def test_progress_in_words(line: StatusLine, english: str, chinese: str) -> None:
    """Every state of a job has its words, and no figure is made up."""
    assert (english, chinese) == (second(EN, line), second(ZH, line))


def test_single_job_has_one_button() -> None:
    """One job, one Cancel."""
    expected = Button("Cancel", press=JobButton(Action.CANCEL, 7))

    assert ((expected,),) == EN.buttons(StatusMessage((MOVING,)))


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_ended_job_cannot_be_cancelled(state: JobState) -> None:
    """A job that has ended has no button."""
    assert EN.buttons(StatusMessage((replace(MOVING, state=state),))) == ()


def test_cancelling_job_cannot_be_cancelled_again() -> None:
    """The button goes as soon as it was pressed."""
    assert EN.buttons(StatusMessage((replace(MOVING, cancelling=True),))) == ()


def test_paused_job_can_be_cancelled() -> None:
    """A press during the pause is served after the restart."""
    assert len(EN.buttons(StatusMessage((replace(QUEUED, paused=True),)))) == 1


def test_album_is_cancelled_as_one() -> None:
    """One button for all that are left, named by any of them; none when nothing is."""
    done = replace(QUEUED, job_id=1, state=JobState.DONE)
    status_message = StatusMessage((done, replace(QUEUED, job_id=2)), together=True)
    over = StatusMessage((done, replace(MOVING, cancelling=True)), together=True)
    button = Button("Cancel all", press=JobButton(Action.CANCEL_ALL, 1))

    assert ((button,),) == EN.buttons(status_message)
    assert EN.buttons(over) == ()
    assert ((button,),) == EN.buttons(replace(over, more=2))


def test_several_jobs_are_numbered() -> None:
    """Lines and buttons carry the same numbers; jobs without a button leave a gap."""
    lines = tuple(replace(QUEUED, job_id=n, cancelling=n == 2) for n in range(1, 7))
    status_message = StatusMessage(lines)
    first, rest = EN.buttons(status_message)

    assert EN.text(status_message).startswith("1. <b>report.pdf</b>\nWaiting in the queue\n2. <b>")
    assert [f"Cancel {n}" for n in (1, 3, 4, 5)] == [button.text for button in first]
    assert [Button("Cancel 6", press=JobButton(Action.CANCEL, 6))] == list(rest)


@pytest.mark.parametrize(
    ("lines", "more", "expected"),
    [(8, 0, None), (8, 1, "and 1 more"), (11, 0, "and 3 more"), (11, 20, "and 23 more")],
)
def test_no_more_than_eight_jobs_are_shown(lines: int, more: int, expected: str | None) -> None:
    """Jobs that are not shown are counted, left out by the view or by this message."""
    status_message = StatusMessage((QUEUED,) * lines, more=more)
    told = EN.text(status_message).split("\n")

    assert 8 * 2 + (expected is not None) == len(told)
    assert expected is None or expected == told[-1]
    assert sum(map(len, EN.buttons(status_message))) == 8


def test_longest_card_fits() -> None:
    """Eight jobs with the longest names and sentences are one message."""
    worst = replace(MOVING, name="👍" * 200, state=JobState.FAILED, code="store_forbidden")

    assert fits(EN.text(StatusMessage((worst,) * 8, more=10**6)))


def test_names_are_escaped() -> None:
    """Markup in a name is shown, not obeyed."""
    told = EN.text(StatusMessage((replace(QUEUED, name="<a>&.txt"),)))

    assert told.startswith("<b>&lt;a&gt;&amp;.txt</b>\n")


def test_card_without_jobs_is_not_empty() -> None:
    """Telegram refuses empty text; a status message without jobs says that they are done."""
    assert EN.text(StatusMessage(())) == "Done"
    assert EN.buttons(StatusMessage(())) == ()
