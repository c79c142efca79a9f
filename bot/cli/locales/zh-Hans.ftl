# relay-bot init 和 setup 打印的内容（简体中文）。纯文本，每条消息一行。

## init

init-welcome = 输入 < 返回上一个问题。Ctrl-C 停止；已给出的回答保存在 { $file }。
init-resumed = 接着 { $file } 中的回答继续；输入 < 返回之前的问题。
init-stopped = 已停止。目前的回答保存在 { $file }；再次运行同一命令即可继续。
init-first = 这是第一个问题。
init-exists = { $file } 已存在。要覆盖吗？
init-exists-fail = { $file } 已存在；--force 可覆盖它
init-no-terminal = 没有可以提问的终端；需要 { $option }
init-unreadable = 无法读取 { $file }：{ $why }
init-unwritable = 无法写入 { $file }：{ $why }
init-written = 已写入 { $file }
init-next = 接下来：relay-bot setup --settings { $file }，relay-bot run --settings { $file }，然后向 @{ $bot } 发送一个文件。
init-token = 机器人的令牌（在 Telegram 中向 @BotFather 发送 /newbot）
init-token-found = 机器人是 @{ $bot }
init-telegram-away = 无法在 { $server } 连接 Telegram：{ $why }
init-telegram-proxy = Telegram 的代理，例如 http://127.0.0.1:7890 或 socks5://127.0.0.1:1080（留空：不用代理再试一次）
init-telegram-proxy-hint = 使用代理：--proxy URL 或 RELAY_TELEGRAM__PROXY
init-region = 存储空间的地域
init-region-fine = OSS 在 { $region } 有应答
init-region-bad = OSS 在 { $endpoint } 没有应答（{ $why }）：有 { $region } 这个地域吗？见 https://help.aliyun.com/oss/user-guide/regions-and-endpoints
init-region-other = 在 { $endpoint } 应答的不是 OSS（HTTP { $status }）
init-key-id = AccessKey ID（在 RAM 控制台，一个没有控制台登录权限的用户）
init-key-secret = AccessKey Secret
init-key-known = OSS 认识这个访问密钥
init-bucket = 存储空间（最好专用；不存在时会创建）
init-bucket-found = { $bucket }，位于 { $region }
init-bucket-create = 没有名为 { $bucket } 的存储空间。在 { $region } 创建它吗？
init-bucket-created = 已在 { $region } 创建 { $bucket }
init-bucket-later = 它不存在；稍后由 relay-bot setup 创建
init-rights = 访问密钥正确，但它的 RAM 用户还不能使用这个存储空间：{ $why }
init-rights-bucket = 请换一个存储空间，或把显示的策略授权给这个密钥的 RAM 用户
init-rights-again = 授权后按回车重试（OSS 最多需要一分钟才会生效）
init-mode = 链接：signed（由 OSS 自己让它失效）或 public（较短；只有机器人能让它失效）
init-mode-bad = { $mode }：只能是 signed 或 public
init-admin = 管理员的 ID，一个数字（留空：在 Telegram 中给 @{ $bot } 发任意消息，由机器人找到 ID）
init-admin-waiting = 请现在给 @{ $bot } 发任意消息。最多等待 { $minutes } 分钟……
init-admin-found = { $who } 发来了消息。这是管理员吗？
init-admin-not = 不是这个人。请让管理员发消息，或输入 ID。
init-admin-none = 没有收到消息
init-admin-bad = { $given }：ID 是大于 0 的数字，例如 { $example }
init-admin-webhook = 已设置 webhook，消息会发到那里；请输入管理员的 ID
init-admin-no-terminal = 没有终端可以询问管理员；请用 --admin 给出 ID

## 策略

policy-where = 打开 { $url }，用脚本编辑（“JSON”）以下面的内容创建策略，并授权给这个密钥的 RAM 用户：
policy-setup = 以下操作只有 init 和 setup 需要，之后可以从策略中删去：{ $actions }。
policy-or = 也可以改用存储空间策略授权该用户：用有权限的密钥运行 relay-bot setup --user-id UID（此时 doctor 无法读取存储空间的配置）。

## setup

setup-nothing = setup：无需更改
setup-would = 将会更改
setup-changed = 已更改
setup-declined = 未更改，因为没有得到确认
setup-note = 注意：{ $note }
setup-column-what = 项目
setup-column-is = 现在
setup-column-shall-be = 将是
setup-ask-user = 存储空间策略要授权的 RAM 用户的 UID，见 { $url }（留空：不改策略）
setup-ask-foreign = 这些更改影响整个存储空间，而不只是机器人自己的部分
setup-ask-change = 要更改吗？
setup-not-agreed = 未确认：这会影响整个存储空间；--yes 表示同意
setup-may-not-look = 访问密钥无权查看存储空间：{ $why }。解决办法：{ $remedy }
setup-refused = 未更改 { $what }：{ $why }。解决办法：{ $remedy }
setup-needs = 需要先完成另一项更改：{ $changes }
setup-note-versioning = 版本控制已开启：删除的文件会作为旧版本保留，在 { $prefix } 下保留一天；如果存储空间中没有其他内容需要它，请暂停版本控制
setup-note-redundancy = 冗余类型是 { $redundancy }，比 LRS 贵，且不能改回；只保留一天的文件几乎用不上
setup-note-others = 存储空间策略还授权了 RAM 用户 { $users }
setup-lend = 仅为这一条命令使用有此权限的密钥：RELAY_OSS__ACCESS_KEY_ID=… RELAY_OSS__ACCESS_KEY_SECRET=… relay-bot setup
setup-rule-remedy = OSS 不接受同一前缀的第二条规则（0014-00000085），也不接受早于重叠规则的转换存储类型时间就删除文件的规则（0014-00000082）：请在控制台缩小或补全现有规则，或让机器人使用专用的存储空间
setup-account-block = link.mode = "public" 需要公共访问，而整个账号阻止公共访问，并优先于存储空间的设置：请在 { $url } 关闭账号的阻止公共访问，或设置 link.mode = "signed"，它不需要公共访问
setup-bucket-none = 不存在
setup-bucket-new = { $region } 的 { $bucket }，本地冗余，私有
setup-bucket-remedy = { $lend }；如果名称已被占用，请换一个（oss.bucket）
setup-unknown = 未知
setup-with-ours = 加入机器人的部分
setup-none = 无
setup-on = 开启
setup-off = 关闭
setup-removed = 已删除
setup-statements = { $count ->
   *[other] { $count } 条语句
}
setup-policy-ours = 加上机器人的语句：RAM 用户 { $user } 可以读写存储空间，仅限 https
setup-policy-removed = 机器人为 RAM 用户 { $users } 加的语句
setup-policy-vpc = 现有语句有 acs:SourceIp 而没有 acs:SourceVpc，OSS 在新策略中不再接受（0030-00000008）：请在控制台给它加上 acs:SourceVpc，或改为把 RAM 策略授权给该用户（relay-bot setup --policy）
setup-policy-public = 现有语句是公开的，阻止公共访问时 OSS 不接受：请在控制台删除它，或改为把 RAM 策略授权给该用户（relay-bot setup --policy）
setup-rules-others = 其他规则
setup-rules-none = 没有这样的规则
setup-rule = 规则 { $rule }
setup-rule-new = 规则 { $rule }：文件在最后修改 1 天后删除，未完成的分片上传在 1 天后取消
setup-rule-versions = { $rule }，旧版本在 1 天后删除
