# 发给用户的全部消息（简体中文）。纯文本，格式由代码添加。
# 变量传入时已格式化（$size、$at），决定单复数的变量（$count）除外。

## 大小与时间

size-exact = { $count } 字节
duration-hours = { $hours } 小时
duration-hours-minutes = { $hours } 小时 { $minutes } 分钟
duration-minutes = { $minutes } 分钟
duration-seconds = { $seconds } 秒
duration-moment = 不到 1 分钟
speed = { $size }/秒
part-of-total = { $moved } / { $total }
time-left = 剩 { $time }

## 按钮

button-open = 打开
button-take-down = 关闭此页面
button-copy = 复制链接
button-delete = 立即删除
button-delete-number = 删除 { $number }
button-cancel = 取消
button-cancel-number = 取消 { $number }
button-cancel-all = 全部取消
button-options = 选项…
button-back = 返回
button-chosen = • { $choice }
button-expires = 有效期…
button-downloads = 下载次数…
button-number = { $count } 次
button-any-number = 不限
button-password-on = 设置密码
button-password-off = 移除密码
button-qr = 二维码
button-pause-on = 暂停
button-pause-off = 恢复
button-address = 更换网址
button-tell = 下载通知…
button-tell-off = 不通知
button-tell-first = 首次下载时
button-tell-each = 每次下载时
button-name-on = 显示我的名字
button-name-off = 隐藏我的名字
button-arm = 重新计次
button-again = 重新转存
button-refresh = 刷新
button-previous = ◀ { $page }
button-next = { $page } ▶

## 对文件的回复

answer-link = 打开链接
answer-sha256 = SHA-256
answer-expiry = 链接将于 { $at } 失效（{ $left }后）。
answer-expiry-all = 所有链接将于 { $at } 失效（{ $left }后）。
answer-expired = 链接已失效，文件已删除。
answer-deleted = 已删除，链接和文件均已不存在。
answer-cancelled = 已取消，未保留任何内容。
answer-one-of-several = 这是一起发送的多个文件中的一个；我在这里看不到其他文件。请用 /share@{ $bot } 逐个回复其他文件。

answer-link-all = 打开全部文件的链接
answer-most-downloads = 可下载 { $count } 次。
answer-most-downloads-each = 每个文件可下载 { $count } 次。
answer-used-up = 下载次数已用完，点“重新计次”可再次下载。
answer-password = 已设置密码。
answer-paused = 已暂停：链接暂时关闭。
answer-sender = 页面显示你的名字：{ $person }。
answer-tell-first = 首次下载时我会通知你。
answer-tell-each = 每次下载时我会通知你。
answer-downloaded = 已下载 { $count } 次，最近一次在 { $time }。

## 链接背后的页面

page-password = { $file } 的密码：{ $password }
    点一下即可查看，请与链接分开发给对方。我不保存密码，无法再次显示。
page-qr = { $file } 的链接二维码
page-password-below = 链接已设置密码，见下一条消息。
page-password-private = 链接已设置密码，见你与我的私聊。
page-password-there = 链接已有密码。如需新密码，请先移除。
page-password-gone = 打开链接不再需要密码。
page-password-lost = 我还不能给你发私聊消息，因此没有设置密码。请打开 https://t.me/{ $bot } 并点“开始”，然后再试。
page-qr-below = 二维码见下一条消息。
page-paused = 已暂停：在你恢复之前，链接是关闭的。
page-resumed = 链接已重新打开。
page-new-address = 链接已更换网址，旧网址不再有效。
page-counted = 点“下载”即计一次，须在一分钟内开始传输。“重新计次”从零重新计算。
page-armed = 下载次数已从零重新计算。
page-changed = 链接刚刚又被下载过。请查看回复，如仍需要请再点一次。
page-past = 该时间已过。如需结束链接，请点“立即删除”。
page-not-in-groups = 群组中不提供这个选项。
page-own-name = 只有发送文件的人可以显示自己的名字。
page-done = 完成。
page-again = 正在重新转存文件，新链接随后发出。
page-reported = 有访问者举报了页面 { $id }：用户 { $owner } 的 { $count } 个文件。
page-taken-down = 页面已关闭，文件已删除。
page-told = { $file } 已被下载 { $count } 次，最近一次在 { $time }。
wish-downloads = 未接收：这里的链接不能限制下载次数。请去掉“一次”重新发送，对方收到后再点“立即删除”。

## 状态消息

card-waiting = 等待中
card-position = 排队中，第 { $position } 位
card-held = 等待中：{ $reason }
card-retry = 等待重试：{ $reason }，{ $time }后再试
card-retry-now = 等待重试：{ $reason }，马上再试
card-room = 等待磁盘空间，之后自动继续
card-fetching = 正在等待 Telegram 提供文件
card-fetching-since = 正在等待 Telegram 提供文件，已用 { $time }
card-so-far = 已传 { $moved }
card-finishing = 即将完成
card-cancelling = 正在取消…
cancelling-count = 正在取消 { $count } 个传输。
card-paused = 已暂停，重启后继续
card-done = 已完成
card-answer-follows = 等 Telegram 接受后，回复就会发出。
card-cancelled = 已取消
card-more = 还有 { $count } 个

## 对 /status 和 /links 的回复

overview-running = 进行中
overview-live = 有效链接
overview-nothing = 当前没有传输，你也没有有效链接。发送文件给我即可获得链接。
overview-no-links = 你在这里没有有效链接。
overview-page = 第 { $page } 页，共 { $pages } 页
overview-use = 最近 24 小时已用：{ $files }，{ $size }
use-files = { $count } 个文件
use-files-of = { $done } / { $count } 个文件
overview-nothing-here = 这里当前没有传输，也没有有效链接。用 /share 回复文件即可获得链接。

## 对 /start 和 /help 的回复

welcome-what = 发送文件给我，我会回复一个链接，任何人无需账号即可打开。
welcome-keeps = 上传完成 { $lifetime }后，链接和文件自动删除；点“立即删除”可马上删除。机器人会记录谁在何时发送了哪个文件，但不保留文件本身。
welcome-limit = 单个文件最大 { $limit }。
welcome-options = 点回复下方的“选项…”可以更改有效期和下载次数、设置密码、生成二维码或暂停链接。也可以在文件说明里直接写明：/share 1小时 一次 名为 报告.pdf
welcome-caption = 可以在文件说明里写明有效期和文件名：/share 1小时 名为 报告.pdf
welcome-status = 传输期间可以查看进度，也可以取消。/status 显示正在进行的传输和有效链接。

## 在群组里

share-how = 用 /share@{ $bot } 回复文件，或在发送文件时把它写在文件说明里，我就会回复链接。
group-sees-files = 用 /share 回复文件，我会回复一个任何人都能打开的链接；链接和文件会在 24 小时内删除。我能看到这里的所有文件，管理员也可以用 /auto on 开启自动模式：以文件形式发送的每个文件无需 /share 也会转存。
group-sees-commands = 用 /share@{ $bot } 回复文件，我会回复一个任何人都能打开的链接；链接和文件会在 24 小时内删除。我在这里只能看到命令和对我的回复，这已足够使用 /share。
group-not-allowed = 这是私人机器人。如需在本群使用，请把群组 ID { $id } 发给机器人管理员，之后再添加机器人。我现在退出。
only-in-groups = 这个命令只能在群组里使用。
only-group-admins = 只有本群管理员可以更改。
auto-on = 自动模式已开启：对于这里以文件形式发送的每个文件，无需 /share，我都会转存并回复链接；照片、视频、音乐和语音仍需用 /share。用 /auto off 关闭。
auto-on-blind = 自动模式已开启，但由于隐私模式，我看不到这里的文件。请把我设为本群管理员；或者在 @BotFather 关闭隐私模式（/setprivacy，选 Disable），然后把我移出群组再重新添加。
auto-off = 自动模式已关闭：我只转存用 /share 分享的文件。
auto-is-on = 自动模式已开启：对于我在这里能看到的、以文件形式发送的每个文件，无需 /share，我都会转存并回复链接；照片、视频、音乐和语音仍需用 /share。用 /auto off 关闭。
auto-is-off = 自动模式已关闭：我只转存用 /share 分享的文件。管理员用 /auto on 开启后，以文件形式发送的每个文件无需 /share 也会转存。
deliver-here = 从现在起，我在本群回复。
deliver-private = 从现在起，我私聊回复每个人，并在这里留一条简短提示。
deliver-is-here = 目前在本群回复。管理员可以用 /deliver private 更改。
deliver-is-private = 目前私聊回复每个人。管理员可以用 /deliver here 更改。
zone-is = 这里的时间按 { $zone } 显示。更改：/zone 北京 或 /zone +8。
zone-chosen = 从现在起，这里的时间按 { $zone } 显示。
zone-unknown = 未知时区“{ $zone }”。请写城市名，例如 /zone 北京，或与 UTC 的时差，例如 /zone +8。
delivered-privately = 已在私聊中回复你。
deliver-start-first = 我还不能给你发私聊消息。请打开 https://t.me/{ $bot }?start=links 并点“开始”，即可看到你的链接。
message-not-handled = 我无法处理这条消息，请重新发送。
request-failed = 暂时无法向 Telegram 确认你的权限，请一分钟后再试。

## 给机器人管理员

only-admins = 只有机器人管理员可以这样做。
only-in-private = 这个命令只能在私聊中使用。
admin-how = 请写上 ID，例如 /ban 123456789，或回复对方的一条消息。/ban 123456789 purge 会同时删除其链接。
not-bannable = 这是机器人管理员，由设置中的 access.admins 决定，不能封禁。
allowed = { $id } 现在可以使用机器人。
unbanned = 已解除对 { $id } 的封禁。
banned =
    { $count ->
        [0] 已封禁 { $id }；
       *[other] 已封禁 { $id }，取消了 { $count } 个传输；
    }{ $links ->
        [0] 没有有效链接。
       *[other] { $links } 个有效链接保留到到期为止，如需立即删除请用 /ban { $id } purge。
    }
banned-purged =
    { $count ->
        [0] 已封禁 { $id }；
       *[other] 已封禁 { $id }，取消了 { $count } 个传输；
    }{ $links ->
        [0] 没有有效链接。
       *[other] 删除了 { $links } 个链接。
    }
stats-period = 最近 24 小时
stats-done = 已转存 { $count } 个文件，{ $size }
stats-ended = 失败 { $failed } 个，取消 { $cancelled } 个
stats-ever = 自启用以来：{ $count } 个文件，{ $size }
stats-now = 现在
stats-jobs = 进行中 { $running } 个，排队 { $waiting } 个
stats-links = 有效链接 { $count } 个
stats-spool = 暂存区已预留 { $used } / { $quota }，磁盘剩余 { $free }
stats-set-aside = 出错后放弃：消息 { $updates } 条，回复及其他 { $others } 项；详见 relay-bot status
stats-uptime = 已运行 { $time }
stats-errors = 最近的错误
stats-error = { $code }：{ $count } 次，最近一次在 { $ago }前

## 语言

language-name = 简体中文
language-auto = 跟随 Telegram
language-which = 希望我用哪种语言和你交流？
language-chosen = 从现在起我用简体中文和你交流。
language-of-people = 我只能为个人保存语言设置，不能为群组或频道保存；在这里我使用 Telegram 提供的语言。

## 其他消息

help-any-text = 发送文件给我，我会回复链接。详情见 /help。
stranger = 这是私人机器人。如需使用，请把你的 ID { $id } 发给机器人管理员。
unsupported-message = 这条消息里没有文件。请发送文件、照片、视频、音频或语音。
paid-media-locked = 付费媒体只有在付费后才能转存；在此之前 Telegram 不向机器人提供文件。
story-closed = 这是一条动态；Telegram 不向机器人提供动态的文件。
kind-unknown = 我还不支持这种内容，请改为以文件形式发送。
press-not-yours = 只有发起请求的人或群管理员可以这样做。
press-not-handled = 我无法处理这次操作，请再按一次。
press-too-late = 已经来不及了，这个任务已结束。
press-unknown = 这个按钮已失效，请用 /status 获取当前的按钮。
cancelling = 正在取消…
deleting = 正在删除…
deleted = 已删除，链接和文件均已不存在。
nothing-to-cancel = 没有正在进行的传输。
paused = 已暂停，重启后继续。

## 限额：哪一项、已用多少、何时恢复

limit-files = 未接收：你在 24 小时内已用 { $done } / { $count } 个文件，{ $wait }后才能发送下一个，不能更早。
limit-bytes = 未接收：你在 24 小时内已用 { $used } / { $limit }，{ $wait }后才能发送 { $size } 的文件；较小的文件也许可以更早发送。
limit-bytes-never = 未接收：文件大小为 { $size }，你 24 小时内的限额为 { $limit }。
limit-largest = 未接收：文件大小为 { $size }，你的单个文件上限为 { $limit }。
limit-group-files = 未接收：本群在 24 小时内已用 { $done } / { $count } 个文件，{ $wait }后才能在这里发送下一个，不能更早。
limit-group-bytes = 未接收：本群在 24 小时内已用 { $used } / { $limit }，{ $wait }后才能在这里发送 { $size } 的文件；较小的文件也许可以更早发送。
limit-group-bytes-never = 未接收：文件大小为 { $size }，本群 24 小时内的限额为 { $limit }。
limit-group-largest = 未接收：文件大小为 { $size }，本群的单个文件上限为 { $limit }。

## Telegram 资料中的命令和简介

command-start = 机器人功能介绍
command-help = 使用方法和保存的内容
command-status = 正在进行的传输和有效链接
command-links = 你的有效链接
command-cancel = 取消你正在进行的传输
command-language = 我和你交流所用的语言
command-stats = 机器人统计
command-allow = 允许某人或某群使用机器人
command-ban = 封禁某人或某群
command-unban = 解除封禁
command-share = 为你回复的文件生成链接
command-auto = 无需 /share 转存本群以文件形式发送的文件：on 或 off
command-zone = 显示到期时间所用的时区
command-deliver = 回复的位置：here 或 private
bot-short-description = 发送文件，获得任何人都能打开的链接。链接和文件会在 24 小时内删除。
bot-description = 发送文件给我，我会回复一个链接，任何人无需账号即可打开。链接和文件会在 24 小时内删除。传输期间可以查看进度，也可以取消。

## 错误：发生了什么，该怎么办。每个代码一句。
## 带数字的消息另有不含数字的“-bare”版本，供数字未知时使用。

error-relay-error = 出错了，请重新发送文件；如果再次出错，请联系机器人管理员。
error-rejected = 这里无法这样做，请向机器人管理员了解可用的功能。
error-file-too-large =
    { $where ->
        [cloud] 未接收：文件大小为 { $size }，上限为 { $limit }（Telegram 的限制）；机器人管理员可以架设本地 Bot API 服务器来提高上限。
       *[local] 未接收：文件大小为 { $size }，上限为 { $limit }；机器人管理员可以提高上限。
    }
error-file-too-large-partly =
    { $where ->
        [cloud] 未接收：文件超过了上限 { $limit }（Telegram 的限制）；机器人管理员可以架设本地 Bot API 服务器来提高上限。
       *[local] 未接收：文件超过了上限 { $limit }；机器人管理员可以提高上限。
    }
error-file-too-large-bare = 未接收：文件太大，请发送较小的文件，或请机器人管理员架设本地 Bot API 服务器。
error-file-empty = 未接收：文件是空的，请检查后重新发送。
error-spool-quota-too-small = 未接收：文件超过了机器人可用的磁盘空间，请发送较小的文件，或联系机器人管理员。
error-source-error = Telegram 没有提供这个文件，请重新发送。
error-source-unavailable = 无法连接 Telegram 下载文件，请过几分钟重新发送。
error-source-gone = Telegram 上已没有这个文件，请重新上传到聊天中。
error-size-mismatch = Telegram 声明的文件大小为 { $announced }，实际收到 { $received }，请重新发送。
error-size-mismatch-bare = 收到的文件大小与 Telegram 声明的不符，请重新发送。
error-disk-error = 机器人无法把文件写入磁盘，请稍后重新发送，或联系机器人管理员。
error-disk-full = 机器人的磁盘已满，请稍后重新发送，或联系机器人管理员。
error-store-error = 存储没有接收文件，请过几分钟重新发送。
error-store-unavailable = 无法连接存储，请过几分钟重新发送。
error-store-intercepted = 对存储的请求被代理或防火墙拦截，请联系机器人管理员。
error-certificate-refused = 存储的证书无效，请联系机器人管理员。
error-store-throttled = 存储太忙，请过几分钟重新发送。
error-clock-skewed = 机器人的时钟有误，存储拒绝了请求，请联系机器人管理员校准时间。
error-corrupted = 文件在传输中损坏，未保留，请重新发送。
error-upload-gone = 存储丢失了未完成的上传，请重新发送文件。
error-object-gone = 这个文件之前的副本已不存在，请重新发送文件。
error-store-forbidden = 存储拒绝了机器人的访问，请联系机器人管理员检查密钥权限。
error-public-access-blocked = 存储阻止了公开链接，请联系机器人管理员。
error-referer-refused = 存储只接受来自特定网站的请求，请联系机器人管理员。
error-store-key-refused = 存储拒绝了机器人的密钥，请联系机器人管理员。
error-bucket-missing = 机器人的存储空间不存在，请联系机器人管理员。
error-wrong-region = 机器人的存储地域设置有误，请联系机器人管理员。
error-account-overdue = 机器人的存储账号欠费或被冻结，请联系机器人管理员。
error-store-refused = 存储拒绝了这个文件，请联系机器人管理员。
error-object-archived = 存储会归档文件，文件无法打开，请联系机器人管理员。
error-object-retained = 存储不允许删除文件，请联系机器人管理员。
error-ledger-error = 机器人暂时无法使用它的数据库，请联系机器人管理员。
error-ledger-unusable = 机器人无法读写它的数据库，请联系机器人管理员。
error-ledger-closed = 机器人在完成之前停止了；再次运行后会继续。
error-ledger-locked = 另一个进程锁定了机器人的数据库，请联系机器人管理员。
error-ledger-too-new = 机器人的数据库由更新的版本写入，请联系机器人管理员。
error-chat-error = 无法在这里发送回复，请用 /status 查看你的链接。
error-chat-unavailable = 无法连接 Telegram 发送回复，请用 /status 查看你的链接。
error-chat-flooded = 这个聊天里消息太多，请过一分钟用 /status 查看你的链接。
error-chat-uncertain = 不确定回复是否送达，请用 /status 查看你的链接。
error-chat-moved = 这个群组已升级为超级群组，请到那里查看回复。
error-chat-gone = 机器人无法再向那个聊天发送消息，请在它能发送消息的聊天里发送文件。
error-message-gone = 要修改的消息已不存在，请用 /status 查看正在进行的传输和有效链接。
error-message-refused = Telegram 拒绝了机器人的回复，请联系机器人管理员。
error-transfer-cancelled = 传输已取消；如果还需要链接，请重新发送文件。
error-unexpected = 机器人内部出错，请重新发送文件；如果再次出错，请联系机器人管理员。
error-crashed = 处理这个文件时机器人多次中断，请联系机器人管理员。

## 任务等待重试的原因，用在“等待重试：…，20 秒后再试”的中间。

reason-source-unavailable = 无法连接 Telegram
reason-size-mismatch = 文件不完整
reason-disk-error = 无法把文件写入磁盘
reason-disk-full = 磁盘已满
reason-store-unavailable = 无法连接存储
reason-store-intercepted = 对存储的请求被代理或防火墙拦截
reason-certificate-refused = 存储的证书无效
reason-store-throttled = 存储繁忙
reason-store-key-refused = 存储拒绝了机器人的密钥（请告知管理员）
reason-store-forbidden = 存储拒绝机器人访问（请告知管理员）
reason-clock-skewed = 机器人的时钟有误
reason-corrupted = 有一个分片在传输中损坏
reason-upload-gone = 存储丢失了未完成的上传
reason-object-gone = 文件之前的副本已不存在
reason-unexpected = 发生了意外错误
reason-other = 上次尝试失败
