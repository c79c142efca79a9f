# `relay-bot init`、`setup` 和 `doctor` 的文本。消息与变量与 en.ftl 相同。

## init

init-intro = 在写出设置文件之前，你的回答保存在 { $path }。输入 { "<" } 返回上一个问题；按 Ctrl-C 停止，之后再运行 relay-bot init 会从停下的地方继续。
init-token = 机器人的令牌（在 @BotFather 发送 /newbot 获得；粘贴时不显示）
init-this-is = 这是 @{ $username }
init-token-refused = Telegram 不接受 telegram.token；@BotFather 可以显示当前的令牌
init-no-telegram = 无法连接 Telegram（{ $host }）：{ $why }
init-no-oss = 无法连接 OSS（{ $where }）：{ $why }
init-meant = 你是指 { $region } 吗？
init-needs-proxy = { $problem }；如果这台机器需要代理，请用 { $option } 指定
init-telegram = Telegram
init-oss = OSS
init-use-variable = 已设置环境变量 { $variable }。用这个代理连接 { $other } 吗？
init-proxy = 连接 { $other } 的代理，例如 socks5://127.0.0.1:1080（回车：不用代理）
init-once-more = 不使用代理；请再试一次
init-keep = [回车：保持不变]
init-yes-or-no = 请输入 y 或 n
init-no-terminal = 没有可以提问的终端；需要 { $option }
init-region = 存储空间所在的地域
init-key-id = AccessKey ID（RAM 控制台，不启用控制台访问的用户）
init-key-secret = AccessKey Secret（不显示）
init-key-known = OSS 认识这个访问密钥
init-swapped = ID 和 Secret 填反了，已经对调
init-id-twice = 这是 AccessKey ID（以 LTAI 开头）；Secret 是另一个
init-bucket = 存储空间（最好专用；不存在时会创建）
init-bucket-found = { $bucket }，地域 { $region }
init-create = 存储空间 { $bucket } 不存在。要在 { $region } 创建吗？
init-created = 已在 { $region } 创建 { $bucket }
init-not-created = 它还不存在；之后由 relay-bot setup 创建
init-lacks-rights = 这个访问密钥还没有权限：{ $why }
init-retry = 回车：再试一次（新的权限策略可能一分钟后才生效）；s：跳过；{ "<" }：返回
init-skipped = 没有检查；之后由 relay-bot setup 和 relay-bot doctor 检查
init-mode = 链接模式：signed（由 OSS 自己使链接失效）或 public（链接短，只有机器人使它失效）
init-which-mode = { $text }：请输入 signed 或 public
init-webhook = 已设置 webhook，消息会发到那里；请提供管理员的 id（--admin）
init-no-admin = 没有终端可以询问管理员；请用 --admin 提供 id
init-admin = 谁管理这个机器人？请在 Telegram 中给 @{ $username } 发一条消息，然后在这里按回车；也可以直接输入数字 id
init-waiting = 等待消息，最多 { $seconds } 秒
init-no-message = 没有收到消息
init-is-admin = { $who } 发来了消息。他是管理员吗？
init-not-an-id = 用户 id 是一个数字，例如 123456789
init-overwrite = { $path } 已经存在。要覆盖吗？
init-exists = { $path } 已经存在；用 --force 覆盖
init-unwritable = 无法写入 { $path }：{ $why }
init-written = 已写出 { $path }
init-next = 下一步：relay-bot setup --settings { $path }，relay-bot run --settings { $path }，然后给 @{ $username } 发送一个文件。
init-stopped = 已停止；没有写出任何内容
init-stopped-with-answers = 已停止；你的回答在 { $path }，relay-bot init 会从那里继续
init-not-allowed = { $key }：不能使用这个值；应为{ $allowed }
allowed-telegram-token = @BotFather 给你的令牌，例如 123456789:AAE…
allowed-telegram-proxy = 一个 URL，例如 http://127.0.0.1:3128 或 socks5://user:password@host:1080
allowed-telegram-base_url = 一个 URL，例如 https://api.telegram.org，不含用户名、查询或片段
allowed-oss-access_key_id = 阿里云的访问密钥，不含空格
allowed-oss-access_key_secret = 阿里云的访问密钥，不含空格
allowed-oss-bucket = 存储空间的名称：3 到 63 个小写字母、数字和连字符
allowed-oss-region = 地域 ID，例如 "cn-hongkong"
allowed-oss-proxy = 一个 URL，例如 http://127.0.0.1:3128 或 socks5://user:password@host:1080

## setup

setup-attach =
    { $policies } → 用脚本编辑方式，以下面的文本创建权限策略，然后
    { $users } → 选择这个访问密钥的用户，新增授权，并选择这个权限策略。
setup-lend-a-key = 只为这条命令使用一个有此权限的访问密钥：RELAY_OSS__ACCESS_KEY_ID=… RELAY_OSS__ACCESS_KEY_SECRET=… relay-bot setup
setup-lend-or-rename = { $lend }；如果名称已被占用，请换一个（oss.bucket）
setup-rule-remedy = OSS 不允许同一前缀有第二条规则（0014-00000085），也不允许在重叠的规则转换存储类型之前删除文件（0014-00000082）：请在控制台缩小或补全现有规则，或为机器人使用专用的存储空间
setup-account-blocks = link.mode = "public" 需要公共访问，而整个账号阻止了公共访问，且优先于存储空间的配置：请在 { $block } 关闭账号级别的阻止，或设置 link.mode = "signed"（不需要公共访问）
setup-there-is-none = 不存在
setup-new-bucket = 在 { $region } 创建 { $bucket }，本地冗余，私有
setup-unknown = 未知
setup-on = 开启
setup-off = 关闭
setup-grant = 加上机器人的语句：RAM 用户 { $user } 可以读写这个存储空间，仅限 https
setup-with-ours = 加上机器人的部分
setup-lacks-vpc = 现有的一条语句有 acs:SourceIp 而没有 acs:SourceVpc，OSS 不再接受这样的新策略（0030-00000008）：请在控制台为它加上 acs:SourceVpc，或改为向用户授予下面的 RAM 策略
setup-public-statement = 现有的一条语句允许公共访问，在阻止公共访问时 OSS 不接受：请在控制台删除它，或改为向用户授予下面的 RAM 策略
setup-statements =
    { $count ->
       *[other] { $count } 条语句
    }
setup-none = 无
setup-foreign-rules = 其他规则
setup-no-rule = 没有这样的规则
setup-rule = 规则 { $rule }：文件在最后修改 1 天后删除，分片上传在 1 天后中止
setup-rule-with-versions = 规则 { $rule }：文件在最后修改 1 天后删除，分片上传在 1 天后中止，旧版本在 1 天后删除
setup-the-rule = 规则 { $rule }
setup-removed = 删除
setup-our-statements = 机器人为 RAM 用户 { $users } 添加的语句
setup-needs = 需要先完成另一项更改：{ $changes }
setup-note = 注意：{ $note }
setup-note-versioning = 已开启版本控制：删除的文件会成为旧版本，在 { $prefix } 下保留一天；如果存储空间中没有别的内容需要它，请暂停版本控制
setup-note-redundancy = 冗余类型是 { $redundancy }，比 LRS 贵，而且不能改回；只保存一天的文件几乎不需要它
setup-note-users = 存储空间策略还授权了 RAM 用户 { $users }
setup-forbidden = 这个访问密钥无权查看存储空间：{ $why }。解决办法：{ $remedy }
setup-only-public = --public-read-bucket 只能与 link.mode = "public" 一起使用
setup-user-is-number = --user-id 是 RAM 控制台显示为 UID 的数字
setup-ask-user = 要在存储空间策略中授权的 RAM 用户的 UID，见 { $users }（留空：不改策略）
setup-not-agreed = 没有得到同意：这会改变整个存储空间；用 --yes 表示同意
setup-as-a-whole = 以下更改影响整个存储空间，不只是机器人的部分
setup-change-this = 要更改吗？
setup-nothing = setup：无需更改
setup-would-change = 将要更改
setup-changed = 已更改
setup-declined = 未更改，因为没有确认
setup-what = 项目
setup-is = 现在
setup-shall-be = 改为
setup-refused = 未更改，{ $what }：{ $why }。解决办法：{ $remedy }
setup-lacking = 访问密钥缺少权限：{ $why }
setup-steps =
    只有你能在控制台完成的步骤（一次即可）：
    1. { $users } → 创建一个不启用控制台访问的用户，并为它创建访问密钥；把密钥写入
       settings.toml（oss.access_key_id、oss.access_key_secret）。
    2. { $policies } → 用脚本编辑方式，以下面的文本创建权限策略，并授予该用户。
       这是 run、send、audit 和 doctor 需要的最小权限。setup 的密钥还需要对存储空间
       { $bucket } 的这些权限：{ $more }。
setup-or-bucket-policy =
    也可以不做第 2 步，而用存储空间策略为用户授权：relay-bot setup --user-id UID
    （这样 doctor 就不能读取存储空间的配置）。
change-bucket = 存储空间
change-bucket-acl = 存储空间 ACL
change-bucket-policy = 存储空间策略
change-block-public-access = 阻止公共访问
change-lifecycle = 生命周期
