# 用户可能看到的全部文字（简体中文）。只有纯文本，格式由代码添加。
# 数字以格式化后的形式传入（$size、$at），决定单复数的（$count）除外。

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
button-copy = 复制链接
button-delete = 立即删除
button-delete-number = 删除 { $number }
button-cancel = 取消
button-cancel-number = 取消 { $number }
button-cancel-all = 全部取消
button-refresh = 刷新
button-previous = ◀ { $page }
button-next = { $page } ▶

## 对文件的答复

answer-link = 打开链接
answer-sha256 = SHA-256
answer-expiry = 链接将于 { $at } 失效（{ $left }后）。
answer-expiry-all = 所有链接将于 { $at } 失效（{ $left }后）。
answer-expired = 链接已失效，文件已删除。
answer-deleted = 已删除，链接和文件都不在了。
answer-cancelled = 已取消，没有保留任何内容。

## 状态消息

card-waiting = 等待中
card-position = 排队中，第 { $position } 位
card-retry = 等待重试：{ $reason }，{ $time }后再试
card-retry-now = 等待重试：{ $reason }，马上再试
card-room = 等待机器人的磁盘空间，稍后自动继续
card-fetching = 正在从 Telegram 取文件
card-fetching-since = 正在从 Telegram 取文件，已用 { $time }
card-so-far = 已传 { $moved }
card-finishing = 即将完成
card-cancelling = 正在取消…
cancelling-count = 正在取消 { $count } 个传输。
card-paused = 已暂停，重启后继续
card-done = 已完成
card-cancelled = 已取消
card-more = 还有 { $count } 个

## 对 /status 和 /links 的答复

overview-running = 进行中
overview-live = 有效链接
overview-nothing = 现在没有传输，也没有有效链接。发一个文件给我就能得到链接。
overview-no-links = 你在这里没有有效的链接。
overview-page = 第 { $page } 页，共 { $pages } 页
overview-use = 最近 24 小时：{ $files }，{ $size }
use-files = { $count } 个文件
use-files-of = { $done } / { $count } 个文件
overview-nothing-here = 这里没有传输，也没有有效链接。用 /share 回复一个文件就能得到链接。

## 对 /start 和 /help 的答复

welcome-what = 发一个文件给我，我会回复一个链接，任何人无需账号即可打开。
welcome-keeps = 上传完成 { $lifetime }后，链接和文件自动消失；点“立即删除”可马上删除。机器人只记录谁在何时发了什么，不保留文件本身。
welcome-limit = 文件最大 { $limit }。
welcome-status = 传输时可以看到进度，也可以取消。/status 显示正在进行的传输和有效链接。

## 在群组里

share-how = 用 /share@{ $bot } 回复一个文件，或在发送文件时把它写在文件说明里，我就会回复链接。
group-sees-files = 用 /share 回复一个文件，我会给出任何人都能打开的链接；24 小时内链接和文件都会消失。这里的文件我都能看到，管理员也可以用 /auto on 让我转存每个文档。
group-sees-commands = 用 /share@{ $bot } 回复一个文件，我会给出任何人都能打开的链接；24 小时内链接和文件都会消失。这里我只能看到发给我的命令，这就够用了。
group-not-allowed = 这是私人机器人。如需在本群使用，请把群组 ID { $id } 发给管理员，之后再邀请我。我现在退出。
only-in-groups = 这个命令只能在群组里使用。
only-group-admins = 只有本群管理员可以决定。
auto-on = 从现在起，我会转存这里发送的每个文档。用 /auto off 关闭。
auto-on-blind = 自动模式已开启，但隐私模式开着，我看不到这里的文件。请把我设为本群管理员；或者在 @BotFather 关闭隐私模式（/setprivacy，选 Disable），然后把我移出群组再重新邀请。
auto-off = 从现在起，我只转存用 /share 分享的文件。
auto-is-on = 自动模式已开启：我会转存这里能看到的每个文档。用 /auto off 关闭。
auto-is-off = 自动模式已关闭：我只转存用 /share 分享的文件。管理员可以用 /auto on 开启。
deliver-here = 从现在起，我在这里回复。
deliver-private = 从现在起，我私聊回复每个人，并在这里留一句提示。
deliver-is-here = 回复发在这里。管理员可以用 /deliver private 更改。
deliver-is-private = 回复发到每个人的私聊。管理员可以用 /deliver here 更改。
zone-is = 这里的时间按 { $zone } 显示。更改：/zone Hong Kong 或 /zone +8。
zone-chosen = 从现在起，这里的时间按 { $zone } 显示。
zone-unknown = 我不认识时区“{ $zone }”。请写城市的英文名，例如 /zone Hong Kong，或与 UTC 的时差，例如 /zone +8。
delivered-privately = 已在私聊中回复你。
deliver-start-first = 我还不能私聊你。请打开 https://t.me/{ $bot }?start=links 并点“开始”，就能看到你的链接。
request-failed = 暂时无法向 Telegram 确认你的权限，请过一分钟再试。

## 给机器人管理员

only-admins = 只有机器人的管理员可以这样做。
only-in-private = 这个我只在私聊中说。
admin-how = 请写上 ID，例如 /ban 123456789，或回复对方的一条消息。/ban 123456789 purge 会同时让其链接失效。
not-bannable = 这是机器人的管理员，由设置中的 access.admins 决定。
allowed = { $id } 现在可以使用机器人。
unbanned = { $id } 已解除封禁。
banned =
    { $count ->
        [0] 已封禁 { $id }；
       *[other] 已封禁 { $id }，取消了 { $count } 个传输；
    }{ $links ->
        [0] 没有有效的链接。
       *[other] { $links } 个链接到期前仍然有效，如需立即失效请用 /ban { $id } purge。
    }
banned-purged =
    { $count ->
        [0] 已封禁 { $id }；
       *[other] 已封禁 { $id }，取消了 { $count } 个传输；
    }{ $links ->
        [0] 没有有效的链接。
       *[other] { $links } 个链接已失效。
    }
stats-period = 最近 24 小时
stats-done = 已中转 { $count } 个文件，{ $size }
stats-ended = 失败 { $failed } 个，取消 { $cancelled } 个
stats-now = 现在
stats-jobs = 进行中 { $running } 个，排队 { $waiting } 个
stats-links = 有效链接 { $count } 个
stats-spool = 暂存区已预留 { $used } / { $quota }，磁盘剩余 { $free }
stats-uptime = 已运行 { $time }
stats-errors = 最近的错误
stats-error = { $code }：{ $count } 次，最近一次在 { $ago }前

## 语言

language-name = 简体中文
language-auto = 跟随 Telegram
language-which = 你希望我用哪种语言和你交流？
language-chosen = 从现在起我用简体中文和你交流。
language-of-people = 我只能记住个人的语言；在这里我跟随 Telegram 的语言。

## 单句

help-any-text = 发一个文件给我，我会回复链接。详情见 /help。
stranger = 这是私人机器人。如需使用，请把你的 ID { $id } 发给管理员。
unsupported-message = 这条消息里没有文件。请发送文件、照片、视频、音频或语音。
press-not-yours = 只有请求这个文件的人或群管理员可以这样做。
press-too-late = 太晚了，这个任务已经结束。
press-unknown = 这个按钮已失效，请用 /status 查看最新状态。
cancelling = 正在取消…
deleting = 正在删除…
deleted = 已删除，链接和文件都不在了。
nothing-to-cancel = 没有正在进行的传输。
paused = 已暂停，重启后继续。

## 限额：哪一项、已用多少、何时恢复

limit-files = 未接收：24 小时内已用 { $done } / { $count } 个文件，{ $wait }后才能接收下一个，在此之前都不接收。
limit-bytes = 未接收：24 小时内已用 { $used } / { $limit }，{ $size } 的文件要等 { $wait }；小一些的文件或许可以更早。
limit-bytes-never = 未接收：文件有 { $size }，而你 24 小时内最多可发送 { $limit }。
limit-largest = 未接收：文件有 { $size }，而你的单个文件最大为 { $limit }。
limit-group-files = 未接收：本群 24 小时内已用 { $done } / { $count } 个文件，{ $wait }后才能接收下一个，在此之前都不接收。
limit-group-bytes = 未接收：本群 24 小时内已用 { $used } / { $limit }，{ $size } 的文件要等 { $wait }；小一些的文件或许可以更早。
limit-group-bytes-never = 未接收：文件有 { $size }，而本群 24 小时内最多可发送 { $limit }。
limit-group-largest = 未接收：文件有 { $size }，而这里的单个文件最大为 { $limit }。

## 机器人的自我介绍

command-start = 这个机器人能做什么
command-help = 如何使用，会保留什么
command-status = 正在进行的传输和有效链接
command-links = 你的有效链接
command-cancel = 取消你正在进行的传输
command-language = 我和你交流所用的语言
command-stats = 机器人的运行情况
command-allow = 允许某人或某群使用机器人
command-ban = 封禁某人或某群
command-unban = 解除封禁
command-share = 为你回复的文件生成链接
command-auto = 转存本群的每个文档：on 或 off
command-zone = 用哪个时区显示链接的到期时间
command-deliver = 回复发到哪里：here 或 private
bot-short-description = 发送文件，得到任何人都能打开的链接。24 小时内链接和文件都会消失。
bot-description = 发一个文件给我，我会回复一个链接，任何人无需账号即可打开。24 小时内链接和文件都会消失。传输时可以看到进度，也可以取消。

## 错误：发生了什么，该怎么办。每个代码一句。
## 带数字的句子另有“-bare”版本，供数字未知时使用。

error-relay-error = 出错了，请重新发送文件；如果再次出错，请告知管理员。
error-rejected = 这里无法这样做，请向管理员了解可以做什么。
error-file-too-large =
    { $where ->
        [cloud] 文件有 { $size }，而 Telegram 最多只向此机器人提供 { $limit }；管理员可以架设本地 Bot API 服务器来解除限制。
       *[local] 文件有 { $size }，而此机器人最多接收 { $limit }；管理员可以提高这个上限。
    }
error-file-too-large-partly =
    { $where ->
        [cloud] 文件超过了 { $limit }，Telegram 最多只向此机器人提供这么多；管理员可以架设本地 Bot API 服务器来解除限制。
       *[local] 文件超过了此机器人的上限 { $limit }；管理员可以提高这个上限。
    }
error-file-too-large-bare = 文件太大，请发送小一些的文件，或请管理员架设本地 Bot API 服务器。
error-file-empty = 文件是空的，没有内容可以分享，请检查后重新发送。
error-spool-quota-too-small = 文件超过了机器人可用的磁盘空间，请发送小一些的文件，或告知管理员。
error-source-error = Telegram 没有提供这个文件，请重新发送。
error-source-unavailable = 无法从 Telegram 取得文件，请过几分钟重新发送。
error-source-gone = Telegram 上已没有这个文件，请重新上传到聊天中。
error-size-mismatch = Telegram 说文件有 { $announced }，实际给了 { $received }，请重新发送。
error-size-mismatch-bare = 收到的文件大小与 Telegram 所说的不符，请重新发送。
error-disk-error = 机器人的磁盘无法保存文件，请稍后重新发送，或告知管理员。
error-disk-full = 机器人的磁盘已满，请稍后重新发送，或告知管理员。
error-store-error = 存储没有接收文件，请过几分钟重新发送。
error-store-unavailable = 无法连接存储，请过几分钟重新发送。
error-store-throttled = 存储太忙，请过几分钟重新发送。
error-clock-skewed = 存储不接受机器人的时钟，请告知管理员校准时间。
error-corrupted = 文件在途中损坏，没有保留，请重新发送。
error-upload-gone = 存储丢失了未完成的上传，请重新发送文件。
error-object-gone = 要复制的文件已不存在，请重新发送。
error-store-forbidden = 存储不允许机器人这样做，请告知管理员检查密钥权限。
error-store-key-refused = 存储拒绝了机器人的密钥，请告知管理员。
error-bucket-missing = 机器人的存储空间不存在，请告知管理员。
error-wrong-region = 机器人的存储地域设置有误，请告知管理员。
error-account-overdue = 机器人的存储账户欠费或被冻结，请告知管理员。
error-store-refused = 存储拒绝了这个文件，请告知管理员。
error-ledger-error = 机器人暂时无法使用它的记录，请告知管理员。
error-ledger-unusable = 机器人无法读写它的记录，请告知管理员。
error-ledger-locked = 另一个进程占用了机器人的记录，请告知管理员。
error-ledger-too-new = 机器人的记录来自更新的版本，请告知管理员。
error-chat-error = 无法在这里显示结果，请用 /status 查看你的链接。
error-chat-unavailable = 无法连接 Telegram 发送结果，请用 /status 查看你的链接。
error-chat-flooded = 这个聊天里消息太多，请过一分钟用 /status 查看你的链接。
error-chat-uncertain = 不确定结果是否送达，请用 /status 查看你的链接。
error-chat-moved = 这个群组已升级为超级群组，请到那里查看结果。
error-chat-gone = 机器人无法再在那个聊天里发言，请从它能发言的聊天里发送文件。
error-message-gone = 要修改的消息已不存在，请用 /status 查看最新状态。
error-message-refused = Telegram 拒绝了机器人的答复，请告知管理员。
error-transfer-cancelled = 传输已取消；如果还需要链接，请重新发送文件。
error-unexpected = 机器人出错了，请重新发送文件；如果再次出错，请告知管理员。
error-crashed = 处理这个文件时机器人多次中断，请告诉机器人的管理员。

## 任务等待重试的原因，用在“等待重试：…，20 秒后再试”的中间。

reason-source-unavailable = 无法连接 Telegram
reason-size-mismatch = 文件不完整
reason-disk-error = 磁盘无法保存文件
reason-disk-full = 磁盘已满
reason-store-unavailable = 无法连接存储
reason-store-throttled = 存储繁忙
reason-clock-skewed = 存储不接受时钟
reason-corrupted = 有一段数据损坏
reason-upload-gone = 存储丢失了上传
reason-object-gone = 存储中的文件已不存在
reason-other = 上次尝试失败
