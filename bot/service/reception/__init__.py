"""Takes in what people send, ask and press, and what happens to chats: checks rights and limits,
writes the ledger. Calls nobody on the network; what needs that becomes a request for the desk.

Every method is safe to repeat for a redelivered update.
"""

from bot.service.controls import PressAction
from bot.service.reception.admins import Admins
from bot.service.reception.chats import Chats, Membership
from bot.service.reception.files import Files
from bot.service.reception.languages import Languages
from bot.service.reception.orders import Orders
from bot.service.reception.presses import Press, Presses
from bot.service.reception.queries import Query
from bot.service.reception.questions import Questions
from bot.service.reception.reception import Reception
from bot.service.reception.replies import Replies
from bot.service.reception.turns import Turns
from bot.service.reception.zones import Zones

__all__ = [
    "Admins",
    "Chats",
    "Files",
    "Languages",
    "Membership",
    "Orders",
    "Press",
    "PressAction",
    "Presses",
    "Query",
    "Questions",
    "Reception",
    "Replies",
    "Turns",
    "Zones",
]
