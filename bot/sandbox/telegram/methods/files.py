"""`getFile`."""

from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.files import CLOUD_LIMIT
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World


async def get_file(world: World, params: Params) -> Any:
    """`getFile`. In the cloud at most 20 MiB, by what was announced and by what is there; a local
    server takes any size, answers when the file is on its disk, and tells an absolute path.
    """
    file_id = params.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    stored = world.files.find(file_id)
    if stored is None:
        raise bad_request("invalid file_id")
    if not stored.source.is_file():
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if world.local is not None:
        return stored.file_json(str(await world.local.fetch(stored)))
    if max(stored.announced or 0, stored.size) > CLOUD_LIMIT:
        raise bad_request("file is too big")
    return stored.file_json(world.files.open_path(stored))


METHODS: Final[dict[str, Method]] = {"getFile": get_file}
