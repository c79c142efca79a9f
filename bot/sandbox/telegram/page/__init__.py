"""The chat page: a window on the stand-in for a person with a browser.

`GET /` is the page; it and its parts lie in `static/`. It reads what happens from server-sent
events, and sends what the person does to the control verbs, as any other client; files are
uploaded first. It is no part of the Bot API.

    routes    the paths of the page, their headers, and who may ask
    events    server-sent events: everything once, then what has changed
    uploads   files from the browser, bounded, below the folder of the stand-in
"""
