# Every sentence that a user can see, in English. Plain text: markup is added by the code.
# Figures arrive formatted ($size, $at), except those that decide a plural ($count).

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
button-copy = Copy link
button-delete = Delete now
button-delete-number = Delete { $number }
button-cancel = Cancel
button-cancel-number = Cancel { $number }
button-cancel-all = Cancel all
button-refresh = Refresh
button-previous = ◀ { $page }
button-next = { $page } ▶

## The answer to a file

answer-link = Open the link
answer-sha256 = SHA-256
answer-expiry = The link ends { $at }, in { $left }.
answer-expiry-all = All links end { $at }, in { $left }.
answer-expired = The link has ended and the file is deleted.
answer-deleted = Deleted: link and file are gone.
answer-cancelled = Cancelled: nothing was kept.

## The status message

card-waiting = Waiting for its turn
card-position = Waiting, place { $position } in the queue
card-retry = Waiting: { $reason }; next try in { $time }
card-retry-now = Waiting: { $reason }; next try now
card-room = Waiting for room on the bot’s disk; it continues by itself
card-fetching = Telegram is handing over the file
card-fetching-since = Telegram is handing over the file, { $time } so far
card-so-far = { $moved } so far
card-finishing = Finishing
card-cancelling = Cancelling…
cancelling-count =
    { $count ->
        [one] Cancelling { $count } transfer.
       *[other] Cancelling { $count } transfers.
    }
card-paused = Paused, continues after the restart
card-done = Done
card-cancelled = Cancelled
card-more =
    { $count ->
        [one] and { $count } more
       *[other] and { $count } more
    }

## The answers to /status and /links

overview-running = Running
overview-live = Live links
overview-nothing = Nothing is running and no link is live. Send me a file to get one.
overview-nothing-here = Nothing is running here and no link is live. Reply to a file with /share to get one.
overview-no-links = None of your links is live here.
overview-page = Page { $page } of { $pages }
overview-use = In the last 24 hours: { $files }, { $size }
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

welcome-what = Send me a file. I answer with a link that anyone can open, without an account.
welcome-keeps = Link and file are gone { $lifetime } after the upload, on their own; “Delete now” ends them at once. The bot’s records keep who sent what and when, never the file.
welcome-limit = A file may have up to { $limit }.
welcome-status = While I work you see how far it is and can cancel. /status shows what is running and which links are live.

## In groups

share-how = Reply to a file with /share@{ $bot }, or write it below a file as you send it, and I answer with a link.
group-sees-files = Reply to a file with /share and I answer with a link that anyone can open; within 24 hours link and file are gone. I see all files here, so admins can also have every document relayed: /auto on.
group-sees-commands = Reply to a file with /share@{ $bot } and I answer with a link that anyone can open; within 24 hours link and file are gone. I see only what is addressed to me here, and that is enough.
group-not-allowed = This bot is private. To use it in this group, send the group’s id { $id } to the person who runs it, and add it again. I am leaving now.
only-in-groups = This is a command for groups.
only-group-admins = Only admins of this group can decide that.
auto-on = From now on I relay every document that is sent here. /auto off ends that.
auto-on-blind = Auto mode is on, but I cannot see the files here, because privacy mode is on. Make me an admin of this group; or switch privacy mode off at @BotFather (/setprivacy, Disable), then remove me from the group and add me again.
auto-off = From now on I relay only what somebody shares with /share.
auto-is-on = Auto mode is on: I relay every document that I see here. /auto off ends that.
auto-is-off = Auto mode is off: I relay only what somebody shares with /share. Admins can change that: /auto on.
deliver-here = From now on I answer here.
deliver-private = From now on I answer each person in private, with a short note here.
deliver-is-here = Answers come here. Admins can change that: /deliver private.
deliver-is-private = Answers go to each person in private. Admins can change that: /deliver here.
zone-is = Times are told here in { $zone }. To change that: /zone Hong Kong, or /zone +8.
zone-chosen = From now on I tell times here in { $zone }.
zone-unknown = I know no time zone “{ $zone }”. Name a city, such as /zone Hong Kong, or an offset from UTC, such as /zone +8.
delivered-privately = The answer is in your private chat with me.
deliver-start-first = I cannot write to you in private yet. Open https://t.me/{ $bot }?start=links and press Start: it shows your links.
request-failed = Telegram cannot be asked just now whether you may do that. Try again in a minute.

## For those who look after the bot

only-admins = Only those who look after this bot can do that.
only-in-private = I tell that in private only.
admin-how = Name an id, such as /ban 123456789, or reply to a message of whom you mean. /ban 123456789 purge ends their links too.
not-bannable = This is somebody who looks after the bot; access.admins in the settings decides that.
allowed = { $id } may use the bot now.
unbanned = { $id } is no longer banned.
banned =
    { $count ->
        [0] { $id } is banned;
        [one] { $id } is banned, { $count } transfer is cancelled;
       *[other] { $id } is banned, { $count } transfers are cancelled;
    } { $links ->
        [0] there are no live links.
        [one] { $links } link lives on until its end, unless you say /ban { $id } purge.
       *[other] { $links } links live on until their end, unless you say /ban { $id } purge.
    }
banned-purged =
    { $count ->
        [0] { $id } is banned;
        [one] { $id } is banned, { $count } transfer is cancelled;
       *[other] { $id } is banned, { $count } transfers are cancelled;
    } { $links ->
        [0] there were no live links.
        [one] { $links } link is ended.
       *[other] { $links } links are ended.
    }
stats-period = The last 24 hours
stats-done =
    { $count ->
        [one] { $count } file relayed, { $size }
       *[other] { $count } files relayed, { $size }
    }
stats-ended = Failed: { $failed }, cancelled: { $cancelled }
stats-now = Now
stats-jobs = Running: { $running }, waiting: { $waiting }
stats-links =
    { $count ->
        [one] { $count } live link
       *[other] { $count } live links
    }
stats-spool = Spool: { $used } of { $quota } reserved, { $free } free on the disk
stats-uptime = Up for { $time }
stats-errors = Last errors
stats-error =
    { $count ->
        [one] { $code }: once, { $ago } ago
       *[other] { $code }: { $count } times, the last { $ago } ago
    }

## Languages

language-name = English
language-auto = As Telegram says
language-which = Which language shall I speak with you?
language-chosen = From now on I speak English with you.
language-of-people = I can remember the language of people only; here I speak as Telegram says.

## Single sentences

help-any-text = Send me a file and I answer with a link. /help tells more.
stranger = This bot is private. To get access, send your id { $id } to the person who runs it.
unsupported-message = There is no file in this message. Send a document, photo, video, audio or voice message.
press-not-yours = Only the person who asked for this, or an admin of the group, can do that.
press-too-late = Too late: this has already ended.
press-unknown = This button no longer works. /status shows the current ones.
cancelling = Cancelling…
deleting = Deleting…
deleted = Deleted: link and file are gone.
nothing-to-cancel = Nothing is running.
paused = Paused, continues after the restart.

## Limits: which one, how much is used, when it frees

limit-files = Not taken: the limit of files in 24 hours is reached ({ $done } of { $count }); I take the next one in { $wait }, and none before that.
limit-bytes = Not taken: { $used } of { $limit } in 24 hours are used, and a file of { $size } fits in { $wait }; smaller ones may fit earlier.
limit-bytes-never = Not taken: the file has { $size }, but { $limit } is the most that you may send in 24 hours.
limit-largest = Not taken: the file has { $size }, but { $limit } is the most that one of your files may have.
limit-group-files = Not taken: the limit of files of this group in 24 hours is reached ({ $done } of { $count }); I take the next one in { $wait }, and none before that.
limit-group-bytes = Not taken: { $used } of { $limit } of this group in 24 hours are used, and a file of { $size } fits in { $wait }; smaller ones may fit earlier.
limit-group-bytes-never = Not taken: the file has { $size }, but { $limit } is the most that may be sent here in 24 hours.
limit-group-largest = Not taken: the file has { $size }, but { $limit } is the most that a file may have here.

## What the bot says about itself

command-start = What this bot does
command-help = How it works and what it keeps
command-status = Running transfers and live links
command-links = Your live links
command-cancel = Cancel your running transfers
command-language = The language in which I speak with you
command-stats = How the bot does
command-allow = Let a person or group use the bot
command-ban = Shut a person or group out
command-unban = Lift a ban
command-share = Get a link for the file you reply to
command-auto = Relay every document here: on or off
command-deliver = Where answers go: here or private
command-zone = The time zone in which I tell when links end
bot-short-description = Send a file, get a link that anyone can open. Within 24 hours link and file are gone.
bot-description = Send me a file and I answer with a link that anyone can open, without an account. Within 24 hours link and file are gone. While I work you see how far it is, and can cancel.

## Errors: what happened, and what to do. One message per code.
## A message with figures has a twin "-bare" for when they are not known.

error-relay-error = Something went wrong; send the file again, and if it happens again tell the person who runs this bot.
error-rejected = This cannot be done here; ask the person who runs this bot what is possible.
error-file-too-large =
    { $where ->
        [cloud] The file has { $size }, but { $limit } is the most that Telegram hands to this bot; the person who runs it can lift that with a local Bot API server.
       *[local] The file has { $size }, but { $limit } is the most that this bot takes; the person who runs it can raise that limit.
    }
error-file-too-large-partly =
    { $where ->
        [cloud] The file is larger than { $limit }, the most that Telegram hands to this bot; the person who runs it can lift that with a local Bot API server.
       *[local] The file is larger than { $limit }, the most that this bot takes; the person who runs it can raise that limit.
    }
error-file-too-large-bare = The file is too large for this bot; send a smaller one, or ask the person who runs it to set up a local Bot API server.
error-file-empty = The file is empty, so there is nothing to link to; check it and send it again.
error-spool-quota-too-small = The file is larger than the disk space this bot may use; send a smaller one or tell the person who runs this bot.
error-source-error = Telegram did not hand over the file; send it again.
error-source-unavailable = Telegram could not be reached for the file; send it again in a few minutes.
error-source-gone = Telegram no longer has this file; upload it to the chat again.
error-size-mismatch = Telegram announced { $announced } but handed over { $received }; send the file again.
error-size-mismatch-bare = Telegram handed over more or less than it announced; send the file again.
error-disk-error = The bot’s disk did not take the file; send it again later or tell the person who runs this bot.
error-disk-full = The bot’s disk is full; send the file again later or tell the person who runs this bot.
error-store-error = The storage did not take the file; send it again in a few minutes.
error-store-unavailable = The storage could not be reached; send the file again in a few minutes.
error-store-throttled = The storage is too busy; send the file again in a few minutes.
error-clock-skewed = The storage rejected the bot’s clock; tell the person who runs this bot to set it right.
error-corrupted = The file was damaged on its way and not kept; send it again.
error-upload-gone = The storage lost the unfinished upload; send the file again.
error-object-gone = The file to copy is gone; send it again.
error-store-forbidden = The storage does not let the bot do this; tell the person who runs this bot to check the permissions of its key.
error-store-key-refused = The storage refused the bot’s key; tell the person who runs this bot.
error-bucket-missing = The bot’s storage bucket does not exist; tell the person who runs this bot.
error-wrong-region = The bot looks for its storage in the wrong region; tell the person who runs this bot.
error-account-overdue = The bot’s storage account is overdue or frozen; tell the person who runs this bot.
error-store-refused = The storage refused the file; tell the person who runs this bot.
error-ledger-error = The bot cannot work with its records just now; tell the person who runs it.
error-ledger-unusable = The bot cannot read or write its records; tell the person who runs it.
error-ledger-locked = Another process holds the records of this bot; tell the person who runs it.
error-ledger-too-new = The records of this bot are those of a newer version; tell the person who runs it.
error-chat-error = The answer could not be shown here; /status lists your links.
error-chat-unavailable = Telegram could not be reached for the answer; /status lists your links.
error-chat-flooded = There are too many messages in this chat just now; /status lists your links in a minute.
error-chat-uncertain = It is not certain that the answer arrived; /status lists your links.
error-chat-moved = This group has become a supergroup; look for the answer there.
error-chat-gone = The bot cannot write to that chat any more; send the file from a chat where it can.
error-message-gone = The message to change is gone; /status shows what is running and live.
error-message-refused = Telegram refused the bot’s answer; tell the person who runs this bot.
error-transfer-cancelled = The transfer was cancelled; send the file again if you still need a link.
error-unexpected = The bot made a mistake; send the file again, and if it happens again tell the person who runs this bot.
error-crashed = The bot was interrupted again and again while it worked on this file; tell the person who runs it.

## Why a job waits for its next try: the middle of "Waiting: …; next try in 20 s".

reason-source-unavailable = Telegram is out of reach
reason-size-mismatch = the file arrived incomplete
reason-disk-error = the disk did not take the file
reason-disk-full = the disk is full
reason-store-unavailable = the storage is out of reach
reason-store-throttled = the storage is busy
reason-clock-skewed = the storage rejected the clock
reason-corrupted = a piece arrived damaged
reason-upload-gone = the storage lost the upload
reason-object-gone = the stored file is gone
reason-other = the last try failed
