"""All tables of one database, as the `Ledger` port groups them."""

from bot.adapters.ledger.answers import SqlAnswers, SqlStatusMessages
from bot.adapters.ledger.chats import SqlChats
from bot.adapters.ledger.database import Database
from bot.adapters.ledger.jobs import SqlJobs
from bot.adapters.ledger.objects import SqlObjects
from bot.adapters.ledger.outbox import SqlDeadUpdates, SqlOutbox
from bot.adapters.ledger.totals import LedgerHealth, SqlTotals


class SqlLedger:
    """Implements `Ledger`."""

    def __init__(self, database: Database, *, boot_id: str = "") -> None:
        self.jobs = SqlJobs(database, boot_id=boot_id)
        self.objects = SqlObjects(database)
        self.answers = SqlAnswers(database)
        self.status_messages = SqlStatusMessages(database)
        self.outbox = SqlOutbox(database)
        self.dead_updates = SqlDeadUpdates(database)
        self.totals = SqlTotals(database)
        self.chats = SqlChats(database)
        self.probe = LedgerHealth(database)
