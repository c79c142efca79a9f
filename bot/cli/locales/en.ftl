# Texts of `relay-bot init`, `setup` and `doctor`. zh-Hans.ftl has the same messages with the same
# variables.

## init

init-intro = Answers are kept in { $path } until the settings file is written. { "<" } goes back to the question before; Ctrl-C stops, and relay-bot init then goes on where you stopped.
init-token = Token of the bot (talk to @BotFather, /newbot; it is not shown while you paste it)
init-this-is = this is @{ $username }
init-token-refused = Telegram refuses telegram.token; @BotFather shows the current one
init-no-telegram = Telegram ({ $host }) cannot be reached: { $why }
init-no-oss = OSS ({ $where }) cannot be reached: { $why }
init-meant = did you mean { $region }?
init-needs-proxy = { $problem }; if this machine needs a proxy for it: { $option }
init-telegram = Telegram
init-oss = OSS
init-use-variable = { $variable } is set. Use that proxy for { $other }?
init-proxy = Proxy for { $other }, such as socks5://127.0.0.1:1080 (Enter: none)
init-once-more = without a proxy; once more
init-keep = [Enter: as before]
init-yes-or-no = y or n
init-no-terminal = no terminal for questions; { $option } is needed
init-region = Region of the bucket
init-key-id = AccessKey id (RAM console, a user without console access)
init-key-secret = AccessKey secret (not shown)
init-key-known = OSS knows this key
init-swapped = id and secret were the wrong way round; they have been exchanged
init-id-twice = this is an AccessKey id, which begins with LTAI; the secret is the other one
init-bucket = Bucket (best one of its own; it is created if there is none)
init-bucket-found = { $bucket } in { $region }
init-create = There is no bucket { $bucket }. Create it in { $region }?
init-created = { $bucket } has been created in { $region }
init-not-created = there is none; relay-bot setup creates it later
init-lacks-rights = the key may not do that yet: { $why }
init-retry = Enter: try again (a new policy may take a minute); s: go on without; { "<" }: back
init-skipped = not checked; relay-bot setup and relay-bot doctor do it later
init-mode = Links: signed (OSS itself ends them) or public (short; only the bot ends them)
init-which-mode = { $text }: signed or public
init-webhook = a webhook is set, so messages go there; give the admin's id (--admin)
init-no-admin = there is no terminal to ask for the admin; give the id by --admin
init-admin = Who looks after the bot? Write anything to @{ $username } in Telegram, then press Enter here; or type the numeric user id
init-waiting = waiting for a message, up to { $seconds } s
init-no-message = no message has arrived
init-is-admin = { $who } has written. Is that the admin?
init-not-an-id = a user id is a number such as 123456789
init-overwrite = { $path } is there already. Overwrite it?
init-exists = { $path } is there already; --force overwrites it
init-unwritable = cannot write { $path }: { $why }
init-written = { $path } is written
init-next = Next: relay-bot setup --settings { $path }, relay-bot run --settings { $path }, then send a file to @{ $username }.
init-stopped = stopped; nothing is written
init-stopped-with-answers = stopped; the answers are in { $path }, and relay-bot init goes on there
init-not-allowed = { $key }: this value is not allowed; it must be { $allowed }
allowed-telegram-token = the token that @BotFather gave you, such as 123456789:AAE…
allowed-telegram-proxy = a URL such as http://127.0.0.1:3128 or socks5://user:password@host:1080
allowed-telegram-base_url = a URL such as https://api.telegram.org, without user, query or fragment
allowed-oss-access_key_id = an access key of Alibaba Cloud, without blanks
allowed-oss-access_key_secret = an access key of Alibaba Cloud, without blanks
allowed-oss-bucket = the bucket's name: 3 to 63 lower-case letters, digits and hyphens
allowed-oss-region = a region id such as "cn-hongkong"
allowed-oss-proxy = a URL such as http://127.0.0.1:3128 or socks5://user:password@host:1080

## setup

setup-attach =
    { $policies } → create a policy by script with the text below, then
    { $users } → choose the user of this key, add permissions, and attach the policy.
setup-lend-a-key = use a key with this permission, for this command alone: RELAY_OSS__ACCESS_KEY_ID=… RELAY_OSS__ACCESS_KEY_SECRET=… relay-bot setup
setup-lend-or-rename = { $lend }; if the name is taken, choose another one (oss.bucket)
setup-rule-remedy = OSS takes no second rule for one prefix (0014-00000085), and none that ends objects before an overlapping rule changes their class (0014-00000082): in the console, narrow or complete the present rule, or give the bot a bucket of its own
setup-account-blocks = link.mode = "public" needs public access, and the whole account blocks it, which overrides the bucket: switch the account's block off at { $block }, or set link.mode = "signed", which needs no public access
setup-there-is-none = there is none
setup-new-bucket = { $bucket } in { $region }, locally redundant, private
setup-unknown = unknown
setup-on = on
setup-off = off
setup-grant = and ours: RAM user { $user } may read and write the bucket, over https only
setup-with-ours = with ours
setup-lacks-vpc = a present statement has acs:SourceIp without acs:SourceVpc, which OSS no longer takes in a new policy (0030-00000008): add acs:SourceVpc to it in the console, or attach the RAM policy below to the user instead
setup-public-statement = a present statement is public, which OSS refuses while public access is blocked: remove it in the console, or attach the RAM policy below to the user instead
setup-statements =
    { $count ->
        [one] 1 statement
       *[other] { $count } statements
    }
setup-none = none
setup-foreign-rules = rules of others
setup-no-rule = no such rule
setup-rule = rule { $rule }: objects expire 1 day after the last modification, multipart uploads are aborted after 1 day
setup-rule-with-versions = rule { $rule }: objects expire 1 day after the last modification, multipart uploads are aborted after 1 day, old versions go after 1 day
setup-the-rule = rule { $rule }
setup-removed = removed
setup-our-statements = our statements for RAM user { $users }
setup-needs = needs another change first: { $changes }
setup-note = note: { $note }
setup-note-versioning = versioning is on: what is deleted stays as an old version, for a day below { $prefix }; suspend it if nothing else in the bucket needs it
setup-note-redundancy = redundancy is { $redundancy }, which costs more than LRS and cannot be changed back; a day's files hardly need it
setup-note-users = the bucket policy also serves RAM user { $users }
setup-forbidden = the access key may not look at the bucket: { $why }. Remedy: { $remedy }
setup-only-public = --public-read-bucket goes only with link.mode = "public"
setup-user-is-number = --user-id is the number that the RAM console shows as UID
setup-ask-user = UID of a RAM user for a bucket policy, from { $users } (empty: leave the policy)
setup-not-agreed = not agreed to: this changes the bucket as a whole; --yes agrees
setup-as-a-whole = these change the bucket as a whole, not only what is ours
setup-change-this = Change this?
setup-nothing = setup: nothing to change
setup-would-change = would change
setup-changed = changed
setup-declined = not changed, because it was not confirmed
setup-what = what
setup-is = is
setup-shall-be = shall be
setup-refused = not changed, { $what }: { $why }. Remedy: { $remedy }
setup-lacking = The access key lacks a right: { $why }
setup-steps =
    What only you can do, once, in the console:
    1. { $users } → create a user without console access, with an access key; put the key into
       settings.toml (oss.access_key_id, oss.access_key_secret).
    2. { $policies } → create a policy by script with the text below, and attach it to that user. It is
       the least that run, send, audit and doctor need. The key of setup needs besides, on the bucket
       { $bucket }: { $more }.
setup-or-bucket-policy =
    Or, in place of 2, let a bucket policy grant the user access: relay-bot setup --user-id UID
    (doctor can then not read the configuration of the bucket).
change-bucket = bucket
change-bucket-acl = bucket ACL
change-bucket-policy = bucket policy
change-block-public-access = block public access
change-lifecycle = lifecycle
