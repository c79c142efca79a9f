# What relay-bot init and setup print (English). Plain text; one line per message.

## init

init-welcome = Enter < goes back to the previous question. Ctrl-C stops; your answers are kept in { $file }.
init-resumed = Going on with the answers in { $file }; < goes back to an earlier one.
init-stopped = Stopped. Your answers so far are in { $file }; the same command goes on there.
init-first = This is the first question.
init-exists = { $file } is there already. Overwrite it?
init-exists-fail = { $file } is there already; --force overwrites it
init-no-terminal = no terminal for questions; { $option } is needed
init-unreadable = cannot read { $file }: { $why }
init-unwritable = cannot write { $file }: { $why }
init-written = { $file } is written
init-next = Next: relay-bot setup --settings { $file }, relay-bot run --settings { $file }, then send a file to @{ $bot }.
init-token = Token of the bot (talk to @BotFather, /newbot)
init-token-found = this is @{ $bot }
init-telegram-away = Telegram cannot be reached at { $server }: { $why }
init-telegram-proxy = Proxy for Telegram, such as http://127.0.0.1:7890 or socks5://127.0.0.1:1080 (empty: try again without)
init-telegram-proxy-hint = with a proxy: --proxy URL or RELAY_TELEGRAM__PROXY
init-region = Region of the bucket
init-region-fine = OSS answers in { $region }
init-region-bad = OSS does not answer at { $endpoint } ({ $why }): is there a region { $region }? See https://help.aliyun.com/oss/user-guide/regions-and-endpoints
init-region-other = what answers at { $endpoint } is not OSS (HTTP { $status })
init-key-id = AccessKey id (RAM console, a user without console access)
init-key-secret = AccessKey secret
init-key-known = OSS knows this key
init-bucket = Bucket (best one of its own; it is created if there is none)
init-bucket-found = { $bucket } in { $region }
init-bucket-create = There is no bucket { $bucket }. Create it in { $region }?
init-bucket-created = { $bucket } has been created in { $region }
init-bucket-later = there is none; relay-bot setup creates it later
init-rights = The key is right, but its RAM user may not use the bucket yet: { $why }
init-rights-bucket = Use another bucket, or attach the policy that is shown to the RAM user of this key
init-rights-again = Enter tries again once it is attached (OSS takes up to a minute to notice)
init-mode = Links: signed (OSS itself ends them) or public (short; only the bot ends them)
init-mode-bad = { $mode }: signed or public
init-admin = Id of the admin, a number (empty: write anything to @{ $bot } in Telegram, and the bot finds it)
init-admin-waiting = Write anything to @{ $bot } now. Waiting for up to { $minutes } minutes ...
init-admin-found = { $who } has written. Is that the admin?
init-admin-not = Not that one. Let the admin write, or type the id.
init-admin-none = no message has arrived
init-admin-bad = { $given }: the id is a number above 0, such as { $example }
init-admin-webhook = a webhook is set, so messages go there; type the id of the admin
init-admin-no-terminal = there is no terminal to ask for the admin; give the id by --admin

## policies

policy-where = Open { $url }, create a policy by script ("JSON") with the text below, and attach it to the RAM user of the key:
policy-setup = These actions are needed by init and setup only, and can be taken out of it afterwards: { $actions }.
policy-or = Or, in place of it, let a bucket policy grant the user access: relay-bot setup --user-id UID, with a key that may (doctor can then not read the configuration of the bucket).

## setup

setup-nothing = setup: nothing to change
setup-would = would change
setup-changed = changed
setup-declined = not changed, because it was not confirmed
setup-note = note: { $note }
setup-column-what = what
setup-column-is = is
setup-column-shall-be = shall be
setup-ask-user = UID of a RAM user for a bucket policy, from { $url } (empty: leave the policy)
setup-ask-foreign = these change the bucket as a whole, not only what is ours
setup-ask-change = Change this?
setup-not-agreed = not agreed to: this changes the bucket as a whole; --yes agrees
setup-may-not-look = the access key may not look at the bucket: { $why }. Remedy: { $remedy }
setup-refused = not changed, { $what }: { $why }. Remedy: { $remedy }
setup-needs = needs another change first: { $changes }
setup-note-versioning = versioning is on: what is deleted stays as an old version, for a day below { $prefix }; suspend it if nothing else in the bucket needs it
setup-note-redundancy = redundancy is { $redundancy }, which costs more than LRS and cannot be changed back; a day's files hardly need it
setup-note-others = the bucket policy also serves RAM user { $users }
setup-lend = use a key with this permission, for this command alone: RELAY_OSS__ACCESS_KEY_ID=… RELAY_OSS__ACCESS_KEY_SECRET=… relay-bot setup
setup-rule-remedy = OSS takes no second rule for one prefix (0014-00000085), and none that ends objects before an overlapping rule changes their class (0014-00000082): in the console, narrow or complete the present rule, or give the bot a bucket of its own
setup-account-block = link.mode = "public" needs public access, and the whole account blocks it, which overrides the bucket: switch the account's block off at { $url }, or set link.mode = "signed", which needs no public access
setup-bucket-none = there is none
setup-bucket-new = { $bucket } in { $region }, locally redundant, private
setup-bucket-remedy = { $lend }; if the name is taken, choose another one (oss.bucket)
setup-unknown = unknown
setup-with-ours = with ours
setup-none = none
setup-on = on
setup-off = off
setup-removed = removed
setup-statements = { $count ->
    [one] 1 statement
   *[other] { $count } statements
}
setup-policy-ours = and ours: RAM user { $user } may read and write the bucket, over https only
setup-policy-removed = our statements for RAM user { $users }
setup-policy-vpc = a present statement has acs:SourceIp without acs:SourceVpc, which OSS no longer takes in a new policy (0030-00000008): add acs:SourceVpc to it in the console, or attach the RAM policy to the user instead (relay-bot setup --policy)
setup-policy-public = a present statement is public, which OSS refuses while public access is blocked: remove it in the console, or attach the RAM policy to the user instead (relay-bot setup --policy)
setup-rules-others = rules of others
setup-rules-none = no such rule
setup-rule = rule { $rule }
setup-rule-new = rule { $rule }: objects expire 1 day after the last modification, multipart uploads are aborted after 1 day
setup-rule-versions = { $rule }, old versions go after 1 day
