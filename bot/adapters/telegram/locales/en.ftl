# All messages to users, in English. Plain text: the code adds the markup.
# Variables are formatted already ($size, $at), except those that select a plural ($count).

## Sizes and times

size-exact =
    { $count ->
        [one] { $count } byte
       *[other] { $count } bytes
    }
duration-hours = { $hours } h
duration-hours-minutes = { $hours } h { $minutes } min
duration-minutes = { $minutes } min
duration-seconds = { $seconds } s
duration-moment = less than a minute
speed = { $size }/s
part-of-total = { $moved } of { $total }
time-left = { $time } left

## Buttons

button-open = Open
button-take-down = Take the page down
button-copy = Copy link
button-delete = Delete now
button-delete-number = Delete { $number }
button-cancel = Cancel
button-cancel-number = Cancel { $number }
button-cancel-all = Cancel all
button-options = Options…
button-back = Back
button-chosen = • { $choice }
button-expires = Expires…
button-downloads = Downloads…
button-number = { $count }
button-any-number = No limit
button-password-on = Password
button-password-off = Remove password
button-qr = QR code
button-pause-on = Pause
button-pause-off = Resume
button-address = New address
button-tell = Tell me…
button-tell-off = Never
button-tell-first = At the first download
button-tell-each = At each download
button-name-on = Show my name
button-name-off = Hide my name
button-arm = Allow again
button-again = Send again
button-refresh = Refresh
button-previous = ◀ { $page }
button-next = { $page } ▶

## The answer to a file

answer-link = Open the link
answer-sha256 = SHA-256
answer-expiry = The link expires at { $at }, in { $left }.
answer-expiry-all = All links expire at { $at }, in { $left }.
answer-expired = The link has expired and the file is deleted.
answer-deleted = Deleted: the link and the file no longer exist.
answer-cancelled = Cancelled: nothing was kept.
answer-one-of-several = This is one of several files that were sent together; I cannot see the others here. Reply to each of them with /share@{ $bot }.

answer-link-all = Open the link to all files
answer-most-downloads =
    { $count ->
        [one] The file can be downloaded once.
       *[other] The file can be downloaded { $count } times.
    }
answer-most-downloads-each =
    { $count ->
        [one] Each file can be downloaded once.
       *[other] Each file can be downloaded { $count } times.
    }
answer-used-up = All downloads are used up. “Allow again” counts from zero.
answer-password = Protected by a password.
answer-paused = Paused: the link is closed for now.
answer-sender = The page shows your name: { $person }.
answer-tell-first = I will tell you of the first download.
answer-tell-each = I will tell you of each download.
answer-downloaded =
    { $count ->
        [one] Downloaded once, at { $time }.
       *[other] Downloaded { $count } times, last { $time }.
    }

## The page behind a link

page-password = Password of { $file }: { $password }
    Tap it to read it, and send it separately from the link. I do not keep it and cannot show it again.
page-qr = The address of { $file } as a QR code
page-password-below = The link has a password now; it is below.
page-password-private = The link has a password now; it is in your private chat with me.
page-password-there = The link has a password already. Remove it first to get a new one.
page-password-gone = The link opens without a password again.
page-password-lost = I cannot message you in private, so the link has no password. Open https://t.me/{ $bot } and press Start, then try again.
page-qr-below = The QR code is below.
page-paused = Paused: the link is closed until you resume it.
page-resumed = The link is open again.
page-new-address = The link has a new address; the old one no longer works.
page-counted = A download counts as soon as the button is pressed, and has a minute to begin. “Allow again” counts from zero.
page-armed = Downloads count from zero again.
page-changed = The link was used in the meantime. Check the answer, and press again if you still want to.
page-past = That time has already passed. To end the link, press “Delete now”.
page-not-in-groups = This option is not offered in groups.
page-own-name = Only the person who sent the file can show their name.
page-done = Done.
page-again = The file is being sent again; its new link follows.
page-reported =
    A visitor has reported page { $id }: { $count ->
        [one] a file
       *[other] { $count } files
    } of user { $owner }.
page-taken-down = The page is taken down, and its files are deleted.
page-told =
    { $count ->
        [one] { $file } was downloaded once, at { $time }.
       *[other] { $file } was downloaded { $count } times, last { $time }.
    }
wish-downloads = Not accepted: this bot cannot limit the downloads of a link. Send the file again without “once”, and press “Delete now” when it has arrived.

## The status message

card-waiting = Waiting in the queue
card-position = Waiting, position { $position } in the queue
card-held = Waiting: { $reason }
card-retry = Waiting: { $reason }; next attempt in { $time }
card-retry-now = Waiting: { $reason }; next attempt now
card-room = Waiting for free disk space; continues automatically
card-fetching = Waiting for Telegram to provide the file
card-fetching-since = Waiting for Telegram to provide the file, { $time } so far
card-so-far = { $moved } so far
card-finishing = Finishing
card-cancelling = Cancelling…
cancelling-count =
    { $count ->
        [one] Cancelling { $count } transfer.
       *[other] Cancelling { $count } transfers.
    }
card-paused = Paused; continues after the restart
card-done = Done
card-answer-follows = The answer follows as soon as Telegram accepts it.
card-cancelled = Cancelled
card-more =
    { $count ->
        [one] and { $count } more
       *[other] and { $count } more
    }

## The answers to /status and /links

overview-running = Running
overview-live = Live links
overview-nothing = No transfers are running and you have no live links. Send me a file to get one.
overview-nothing-here = No transfers are running and there are no live links here. Reply to a file with /share to get one.
overview-no-links = You have no live links here.
overview-page = Page { $page } of { $pages }
overview-use = Used in the last 24 hours: { $files }, { $size }
use-files =
    { $count ->
        [one] { $count } file
       *[other] { $count } files
    }
use-files-of =
    { $count ->
        [one] { $done } of { $count } file
       *[other] { $done } of { $count } files
    }

## The answer to /start and /help

welcome-what = Send me a file. I reply with a link that anyone can open, without an account.
welcome-keeps = The link and the file are deleted automatically { $lifetime } after the upload; “Delete now” deletes them at once. The bot records who sent which file and when, but does not keep the file.
welcome-limit = The maximum file size is { $limit }.
welcome-options = Below the answer, “Options…” changes when the link ends and how often it works, sets a password, shows a QR code or pauses the link. A caption can say it with the file: /share 1h once as report.pdf
welcome-caption = A caption can say how long the link works, and give the file a name: /share 1h as report.pdf
welcome-status = During a transfer you see its progress and can cancel it. /status shows running transfers and live links.

## In groups

share-how = Reply to a file with /share@{ $bot }, or use it as the caption when you send a file, and I reply with a link.
group-sees-files = Reply to a file with /share and I reply with a link that anyone can open; the link and the file are deleted within 24 hours. I can see all files here, so an admin can also have every document (anything sent as a file) relayed without /share: /auto on.
group-sees-commands = Reply to a file with /share@{ $bot } and I reply with a link that anyone can open; the link and the file are deleted within 24 hours. I can see only commands and replies to me here; that is enough for /share.
group-not-allowed = This bot is private. To use it in this group, send the group’s id { $id } to the bot’s admin, then add the bot again. I am leaving now.
only-in-groups = This command works only in groups.
only-group-admins = Only admins of this group can change that.
auto-on = Auto mode is now on: I relay every document (anything sent as a file) here and answer with its link, without /share. Photos, videos, music and voice messages still need /share. /auto off turns it off.
auto-on-blind = Auto mode is on, but I cannot see the files here because privacy mode is on. Make me an admin of this group; or turn privacy mode off at @BotFather (/setprivacy, Disable), then remove me from the group and add me again.
auto-off = Auto mode is now off: I relay only files that are shared with /share.
auto-is-on = Auto mode is on: I relay every document (anything sent as a file) that I can see here and answer with its link, without /share. Photos, videos, music and voice messages still need /share. /auto off turns it off.
auto-is-off = Auto mode is off: I relay only files that are shared with /share. An admin can turn it on with /auto on: then I relay every document (anything sent as a file) without /share.
deliver-here = From now on I send answers here, in this group.
deliver-private = From now on I send answers to each person in private, with a short note here.
deliver-is-here = Answers are sent in this group. An admin can change that: /deliver private.
deliver-is-private = Answers are sent to each person in private. An admin can change that: /deliver here.
zone-is = Times here are shown in { $zone }. To change that: /zone Beijing, or /zone +8.
zone-chosen = From now on times here are shown in { $zone }.
zone-unknown = Unknown time zone “{ $zone }”. Give a city, for example /zone Beijing, or an offset from UTC, for example /zone +8.
delivered-privately = I sent the answer to your private chat with me.
deliver-start-first = I cannot message you in private yet. Open https://t.me/{ $bot }?start=links and press Start to see your links.
message-not-handled = I could not process this message. Please send it again.
request-failed = I cannot check your permissions with Telegram at the moment. Try again in a minute.

## For admins of the bot

only-admins = Only the bot’s admins can do that.
only-in-private = This command works only in a private chat.
admin-how = Give an id, for example /ban 123456789, or reply to a message of that person. /ban 123456789 purge also deletes their links.
not-bannable = This is an admin of the bot, set by access.admins in the settings. Admins cannot be banned.
allowed = { $id } can now use the bot.
unbanned = { $id } is no longer banned.
banned =
    { $count ->
        [0] { $id } is banned;
        [one] { $id } is banned, { $count } transfer is cancelled;
       *[other] { $id } is banned, { $count } transfers are cancelled;
    } { $links ->
        [0] there are no live links.
        [one] { $links } live link is kept until it expires; /ban { $id } purge deletes it now.
       *[other] { $links } live links are kept until they expire; /ban { $id } purge deletes them now.
    }
banned-purged =
    { $count ->
        [0] { $id } is banned;
        [one] { $id } is banned, { $count } transfer is cancelled;
       *[other] { $id } is banned, { $count } transfers are cancelled;
    } { $links ->
        [0] there were no live links.
        [one] { $links } link is deleted.
       *[other] { $links } links are deleted.
    }
stats-period = Last 24 hours
stats-done =
    { $count ->
        [one] { $count } file relayed, { $size }
       *[other] { $count } files relayed, { $size }
    }
stats-ended = Failed: { $failed }, cancelled: { $cancelled }
stats-ever =
    { $count ->
        [one] Since the first day: { $count } file, { $size }
       *[other] Since the first day: { $count } files, { $size }
    }
stats-now = Now
stats-jobs = Running: { $running }, waiting: { $waiting }
stats-links =
    { $count ->
        [one] { $count } live link
       *[other] { $count } live links
    }
stats-spool = Spool: { $used } of { $quota } reserved, { $free } free on the disk
stats-set-aside = Given up after errors: messages { $updates }, answers and others { $others }; relay-bot status lists them
stats-uptime = Uptime: { $time }
stats-errors = Last errors
stats-error =
    { $count ->
        [one] { $code }: once, { $ago } ago
       *[other] { $code }: { $count } times, the last { $ago } ago
    }

## Languages

language-name = English
language-auto = Same as Telegram
language-which = Which language should I use with you?
language-chosen = From now on I use English with you.
language-of-people = I can remember a language only for a person, not for a group or channel. Here I use the language that Telegram reports.

## Other messages

help-any-text = Send me a file and I reply with a link. /help explains more.
stranger = This bot is private. To get access, send your id { $id } to the bot’s admin.
unsupported-message = There is no file in this message. Send a file, photo, video, audio or voice message.
paid-media-locked = Paid media can be relayed only after they have been paid for; until then Telegram does not give bots the files.
story-closed = This is a story; Telegram does not give bots the files of stories.
kind-unknown = This is a kind of file I do not know yet. Send it as a file.
press-not-yours = Only the person who asked for this, or an admin of the group, can do that.
press-not-handled = I could not process this. Please press the button again.
press-too-late = Too late: this has already finished.
press-unknown = This button no longer works. /status shows the current ones.
cancelling = Cancelling…
deleting = Deleting…
deleted = Deleted: the link and the file no longer exist.
nothing-to-cancel = No transfers are running.
paused = Paused; continues after the restart.

## Limits: which one, how much is used, when the next file is accepted

limit-files = Not accepted: you have used { $done } of { $count } files in 24 hours. You can send the next file in { $wait }, not earlier.
limit-bytes = Not accepted: you have used { $used } of { $limit } in 24 hours. You can send a file of { $size } in { $wait }; a smaller one may fit earlier.
limit-bytes-never = Not accepted: the file is { $size }, your limit in 24 hours is { $limit }.
limit-largest = Not accepted: the file is { $size }, your limit for one file is { $limit }.
limit-group-files = Not accepted: this group has used { $done } of { $count } files in 24 hours. You can send the next file here in { $wait }, not earlier.
limit-group-bytes = Not accepted: this group has used { $used } of { $limit } in 24 hours. You can send a file of { $size } here in { $wait }; a smaller one may fit earlier.
limit-group-bytes-never = Not accepted: the file is { $size }, the limit of this group in 24 hours is { $limit }.
limit-group-largest = Not accepted: the file is { $size }, the limit of this group for one file is { $limit }.

## Commands and descriptions in the Telegram profile of the bot

command-start = What this bot does
command-help = How it works and what it stores
command-status = Running transfers and live links
command-links = Your live links
command-cancel = Cancel your running transfers
command-language = The language I use with you
command-stats = Bot statistics
command-allow = Allow a person or a group to use the bot
command-ban = Ban a person or a group
command-unban = Lift a ban
command-share = Get a link for the file you reply to
command-auto = Relay every document here without /share: on or off
command-deliver = Where answers are sent: here or private
command-zone = The time zone of expiry times
bot-short-description = Send a file, get a link that anyone can open. The link and the file are deleted within 24 hours.
bot-description = Send me a file and I reply with a link that anyone can open, without an account. The link and the file are deleted within 24 hours. During a transfer you see its progress and can cancel it.

## Errors: what happened, and what to do. One message per code.
## A message with figures has a variant "-bare" without them, for when they are unknown.

error-relay-error = Something went wrong; send the file again, and if it happens again tell the bot’s admin.
error-rejected = This is not possible here; ask the bot’s admin what is allowed.
error-file-too-large =
    { $where ->
        [cloud] Not accepted: the file is { $size }, the limit is { $limit } (set by Telegram); the bot’s admin can raise it with a local Bot API server.
       *[local] Not accepted: the file is { $size }, the limit is { $limit }; the bot’s admin can raise it.
    }
error-file-too-large-partly =
    { $where ->
        [cloud] Not accepted: the file is larger than the limit of { $limit } (set by Telegram); the bot’s admin can raise it with a local Bot API server.
       *[local] Not accepted: the file is larger than the limit of { $limit }; the bot’s admin can raise it.
    }
error-file-too-large-bare = Not accepted: the file is too large for this bot; send a smaller one, or ask the bot’s admin to set up a local Bot API server.
error-file-empty = Not accepted: the file is empty; check it and send it again.
error-spool-quota-too-small = Not accepted: the file is larger than the disk space of this bot; send a smaller one or tell the bot’s admin.
error-source-error = Telegram did not send the file to the bot; send it again.
error-source-unavailable = The bot could not reach Telegram to download the file; send it again in a few minutes.
error-source-gone = Telegram no longer has this file; upload it to the chat again.
error-size-mismatch = Telegram announced { $announced } but sent { $received }; send the file again.
error-size-mismatch-bare = Telegram sent more or fewer bytes than it announced; send the file again.
error-disk-error = The bot could not write the file to its disk; send it again later or tell the bot’s admin.
error-disk-full = The bot’s disk is full; send the file again later or tell the bot’s admin.
error-store-error = The storage did not accept the file; send it again in a few minutes.
error-store-unavailable = The bot could not reach the storage; send the file again in a few minutes.
error-store-intercepted = A proxy or firewall answered instead of the storage; tell the bot’s admin.
error-certificate-refused = The certificate of the storage is not valid; tell the bot’s admin.
error-store-throttled = The storage is busy; send the file again in a few minutes.
error-clock-skewed = The storage rejected a request because the bot’s clock is wrong; ask the bot’s admin to set it.
error-corrupted = The file was damaged during the transfer and was not kept; send it again.
error-upload-gone = The storage lost the unfinished upload; send the file again.
error-object-gone = The earlier copy of this file no longer exists; send the file again.
error-store-forbidden = The storage denied the bot access; ask the bot’s admin to check the permissions of its key.
error-public-access-blocked = The storage blocks public links; tell the bot’s admin.
error-referer-refused = The storage accepts only requests from certain websites; tell the bot’s admin.
error-store-key-refused = The storage refused the bot’s key; tell the bot’s admin.
error-bucket-missing = The bot’s storage bucket does not exist; tell the bot’s admin.
error-wrong-region = The bot’s storage region is set incorrectly; tell the bot’s admin.
error-account-overdue = The bot’s storage account is overdue or frozen; tell the bot’s admin.
error-store-refused = The storage refused the file; tell the bot’s admin.
error-object-archived = The storage archives files, so they cannot be opened; tell the bot’s admin.
error-object-retained = The storage does not allow files to be deleted; tell the bot’s admin.
error-ledger-error = The bot cannot use its database at the moment; tell the bot’s admin.
error-ledger-unusable = The bot cannot read or write its database; tell the bot’s admin.
error-ledger-closed = The bot stopped before this was done; it continues when it runs again.
error-ledger-locked = Another process has locked the bot’s database; tell the bot’s admin.
error-ledger-too-new = The bot’s database was written by a newer version; tell the bot’s admin.
error-chat-error = The bot could not send the answer here; /status lists your links.
error-chat-unavailable = The bot could not reach Telegram to send the answer; /status lists your links.
error-chat-flooded = There are too many messages in this chat at the moment; /status lists your links in a minute.
error-chat-uncertain = The answer may not have arrived; /status lists your links.
error-chat-moved = This group has become a supergroup; the answer is there.
error-chat-gone = The bot can no longer write to that chat; send the file in a chat where it can.
error-message-gone = The message to edit no longer exists; /status shows running transfers and live links.
error-message-refused = Telegram refused the bot’s answer; tell the bot’s admin.
error-transfer-cancelled = The transfer was cancelled; send the file again if you still need a link.
error-unexpected = The bot had an internal error; send the file again, and if it happens again tell the bot’s admin.
error-crashed = The bot was interrupted several times while it processed this file; tell the bot’s admin.

## Why a job waits for its next attempt: the middle of "Waiting: …; next attempt in 20 s".

reason-source-unavailable = Telegram cannot be reached
reason-size-mismatch = the file arrived incomplete
reason-disk-error = the file could not be written to disk
reason-disk-full = the disk is full
reason-store-unavailable = the storage cannot be reached
reason-store-intercepted = a proxy or firewall answered instead of the storage
reason-certificate-refused = the certificate of the storage is not valid
reason-store-throttled = the storage is busy
reason-store-key-refused = the storage refuses the bot’s key (tell the bot’s admin)
reason-store-forbidden = the storage denies the bot access (tell the bot’s admin)
reason-clock-skewed = the bot’s clock is wrong
reason-corrupted = a part was damaged during the transfer
reason-upload-gone = the storage lost the unfinished upload
reason-object-gone = the earlier copy of the file no longer exists
reason-unexpected = an unexpected error occurred
reason-other = the last attempt failed
