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
