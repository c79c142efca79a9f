# Texts of the pages behind links. Names of files and senders are values, and isolated where shown.

files = { $count ->
    [one] { $count } file
   *[other] { $count } files
}
size-and-kind = { $size } · { $kind }
kind-image = Picture
kind-video = Video
kind-audio = Audio
kind-pdf = PDF
kind-archive = Archive
kind-other = File
from-sender = From
until = Available until
left-hours = { $hours } h { $minutes } min left
left-minutes = { $minutes } min left
left-seconds = less than a minute left
download = Download
inside-app = Downloads may fail inside WeChat or QQ. Tap “…” at the top right, and open this page in a browser first.
started = The download is starting.
download-name = Download { $name }
look = View here
look-name = View { $name } here
no-look = Save a file first to view it: this service cannot show files in the browser.
once = Can be downloaded once. It counts as soon as you press the button; the download then has a minute to begin.
times-left = { $count ->
    [one] One download is left. It counts as soon as you press the button.
   *[other] { $count } downloads are left. Each counts as soon as you press the button.
}
file-used-up = Already downloaded as often as the sender allows.
file-ended = No longer available.
hash = SHA-256
copy = Copy
copied = Copied
copy-hash = Copy the SHA-256
copy-link = Copy the link
one-link = One link for all
all-addresses = All addresses as a list
address = For curl, wget and aria2
address-hint = This address gives the file itself
counted = Every request for a file counts, so use one connection.
copy-address = Copy the address
report = Report this page
report-hint = The admins of this service are told, and can take the page down. Nothing about you is sent.
report-button = Report
reported = The admins have been told. Thank you.
title-locked = Files with a password
title-locked-hint = Enter the password from the sender to see what is here.
password = Password
password-hint = Four words. Capitals do not matter.
password-button = Open
password-no-cookie = The password is right, but this browser keeps no cookies. Allow cookies for this site, and enter it again.
password-wrong = The password is wrong.
password-wait = Too many tries. Try again in { $seconds } s.
title-paused = Closed for now
paused-hint = The sender has closed this link for now. Try again later.
title-ended = No longer available
ended-hint = The link has ended, and its files are deleted. Ask the sender for a new one. It ended:
title-unknown = Nothing here
unknown-hint = There is no such link, or it ended long ago. Check the address, or ask the sender.
title-used-up = Already downloaded
used-up-hint = This file was downloaded as often as the sender allows. The sender can allow it again.
title-busy = Too many requests
busy-hint = Wait a moment, then try again.
title-starting = Starting
starting-hint = The service is starting. Try again in a moment.
title-foreign = Sent from another site
foreign-hint = This request came from another site. Open the link itself, and press the button there.
title-failed = Something went wrong
failed-hint = The error was recorded. Try again in a moment.
back = Back to the files
robots-note = This link expires by itself. Search engines do not list it.

# For clients without a browser: plain text.
text-get = Get it with: curl -LOJ { $url }
text-locked = This page has a password. Open it in a browser, or: curl -LOJ --data-urlencode password='…' { $url }
text-until = Available until { $until }.
