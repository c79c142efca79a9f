// The chat page. State comes by server-sent events from /page/events, and what the person does goes
// to the control verbs at /control/. Nothing is shown before the server has said that it is so.

const TEXTS = {
  en: {
    skip: "Skip to the message field", sidebar: "Chats and sandbox", chats: "Chats",
    speaker: "You are", clock: "Clock", line: "Lines", flood: "Flood control", language: "Language",
    menu: "Chats and sandbox", lost: "The sandbox does not answer. Waiting for it …",
    messages: "Messages", commands: "Commands", cancelReply: "Cancel the reply",
    asMedia: "as photo or video", attach: "Attach files", write: "Message", send: "Send",
    drop: "Drop files here", close: "Close", start: "Start", general: "General", bot: "bot",
    forum: "group with topics", group: "group", channel: "channel", members: "members",
    member: "member", admin: "admin", stranger: "stranger", banned: "banned",
    fast: "fast", medium: "2 MB/s", slow: "300 kB/s", custom: "other",
    off: "off", refuse: "refuses (429)", delay: "delays",
    hits: (n) => `Calls over a limit: ${n}`, reply: "Reply", remove: "Delete", unstage: "Remove",
    copied: "Copied", copy: "Copy", empty: "Telegram does not send empty files.",
    edited: "edited", opens: "opens in a new tab", advance: (n) => `Move the clock on by ${n} h`,
    unread: (n) => `${n} new`, uploading: "Handing over …", failed: "That did not work: ",
    nothing: "No messages yet.", file: "File", photo: "Photo", video: "Video", audio: "Audio",
    voice: "Voice message", unknownSize: "unknown size", to: "to",
    added: (by, who) => `${by} added ${who}`, joined: (by) => `${by} joined the group`,
    left: (by) => `${by} left the group`, removed: (by, who) => `${by} removed ${who}`,
    pinned: (by) => `${by} pinned a message`, titled: (by, title) => `${by} named the group “${title}”`,
    topicOpened: (by, topic) => `${by} created the topic “${topic}”`,
    topicClosed: (by) => `${by} closed the topic`, topicReopened: (by) => `${by} reopened the topic`,
    upgraded: () => "The group became a supergroup", otherKind: (kind) => `Message of the kind “${kind}”`,
  },
  zh: {
    skip: "跳到消息输入框", sidebar: "聊天与模拟服务", chats: "聊天",
    speaker: "你的身份", clock: "时钟", line: "线路", flood: "限流", language: "语言",
    menu: "聊天与模拟服务", lost: "模拟服务没有响应，正在等待……",
    messages: "消息", commands: "命令", cancelReply: "取消回复",
    asMedia: "作为照片或视频", attach: "添加文件", write: "消息", send: "发送",
    drop: "把文件拖到这里", close: "关闭", start: "开始", general: "General", bot: "机器人",
    forum: "带话题的群组", group: "群组", channel: "频道", members: "位成员",
    member: "成员", admin: "管理员", stranger: "陌生人", banned: "被封禁者",
    fast: "快", medium: "2 MB/秒", slow: "300 kB/秒", custom: "其他",
    off: "关闭", refuse: "拒绝（429）", delay: "延迟",
    hits: (n) => `超出限制的调用：${n}`, reply: "回复", remove: "删除", unstage: "移除",
    copied: "已复制", copy: "复制", empty: "Telegram 不发送空文件。",
    edited: "已编辑", opens: "在新标签页中打开", advance: (n) => `时钟前进 ${n} 小时`,
    unread: (n) => `${n} 条新消息`, uploading: "正在提交……", failed: "未成功：",
    nothing: "还没有消息。", file: "文件", photo: "照片", video: "视频", audio: "音频",
    voice: "语音", unknownSize: "大小未知", to: "回复",
    added: (by, who) => `${by} 邀请 ${who} 加入了群组`, joined: (by) => `${by} 加入了群组`,
    left: (by) => `${by} 退出了群组`, removed: (by, who) => `${by} 移除了 ${who}`,
    pinned: (by) => `${by} 置顶了一条消息`, titled: (by, title) => `${by} 将群组名称改为“${title}”`,
    topicOpened: (by, topic) => `${by} 创建了话题“${topic}”`,
    topicClosed: (by) => `${by} 关闭了话题`, topicReopened: (by) => `${by} 重新打开了话题`,
    upgraded: () => "群组已升级为超级群组", otherKind: (kind) => `“${kind}”类型的消息`,
  },
};

const LINES = {
  fast: { down_total: null, up_total: null, latency: 0 },
  medium: { down_total: 2e6, up_total: 2e6, latency: 0.05 },
  slow: { down_total: 3e5, up_total: 3e5, latency: 0.3 },
};
const FLOODS = ["off", "refuse", "delay"];
const ALBUM = 10;

const $ = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 719px)");
const chinese = (navigator.language || "").toLowerCase().startsWith("zh");

const state = {
  language: stored("language") in TEXTS ? stored("language") : chinese ? "zh" : "en",
  bot: { name: "", username: "" },
  people: [],
  chats: new Map(),
  messages: new Map(),
  unread: new Map(),
  flood: { mode: "off", hits: 0 },
  shape: {},
  clock: { at: 0, since: 0, isRunning: false },
  speaker: null,
  place: { group: null, topic: null },
  reply: null,
  staged: [],
  completion: { commands: [], active: 0, isDismissed: false },
};

function text(key, ...values) {
  const found = TEXTS[state.language][key] ?? key;
  return typeof found === "function" ? found(...values) : found;
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without storage the choice holds for this page only.
  }
}

// An element with properties and children; `null` children are left out.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// ---- The server

async function ask(verb, body = {}) {
  const answer = await fetch(`/control/${verb}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(document.error), { status: answer.status });
  return document.result;
}

async function upload(file) {
  const answer = await fetch(`/page/upload?name=${encodeURIComponent(file.name)}`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document.result.id;
}

// Runs what a person started; a failure is told and goes no further.
async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    toast(text("failed") + error.message);
    return undefined;
  }
}

function listen() {
  let isFirst = true;
  const source = new EventSource("/page/events");
  source.addEventListener("open", () => {
    isFirst = true;
    $("lost").hidden = true;
  });
  source.addEventListener("error", () => {
    $("lost").hidden = false;
  });
  source.addEventListener("message", (event) => {
    take(JSON.parse(event.data), isFirst);
    isFirst = false;
  });
}

function take(news, isFirst) {
  if (isFirst) {
    state.messages.clear();
  }
  for (const name of ["bot", "people", "flood", "shape"]) {
    if (name in news) state[name] = news[name];
  }
  if (news.chats) state.chats = new Map(news.chats.map((chat) => [chat.id, chat]));
  const at = Date.parse(news.now);
  state.clock = { at, since: performance.now(), isRunning: news.is_running };
  if (state.speaker === null && state.people.length) chooseFirstSpeaker();
  for (const { chat_id, message_id } of news.gone ?? []) forget(chat_id, message_id);
  const fresh = (news.messages ?? []).filter((item) => remember(item));
  if (isFirst) {
    draw();
    speakLanguage();
    return;
  }
  if (news.people || news.chats) drawSurroundings();
  if (news.flood || news.shape) drawSwitches();
  drawClock();
  if (news.messages || news.gone) updateLog(news);
  for (const item of fresh) notice(item);
}

function chooseFirstSpeaker() {
  const member = state.people.find((person) => person.role === "member");
  state.speaker = (member ?? state.people[0]).id;
}

function forget(chatId, messageId) {
  state.messages.get(chatId)?.delete(messageId);
  if (state.reply?.id === messageId && chatId === chatOpen()) setReply(null);
}

// Returns whether the message is a new one.
function remember({ chat_id, message }) {
  if (!state.messages.has(chat_id)) state.messages.set(chat_id, new Map());
  const chat = state.messages.get(chat_id);
  const isNew = !chat.has(message.id);
  chat.set(message.id, message);
  return isNew;
}

function notice({ chat_id, message }) {
  if (!isShown(message) || isService(message)) return;
  if (chat_id === chatOpen() && isHere(message)) {
    if (message.from_bot) $("announcer").textContent = `${state.bot.name}: ${summary(message)}`;
    return;
  }
  const key = placeKey(chat_id, message.thread_id);
  state.unread.set(key, (state.unread.get(key) ?? 0) + 1);
  drawSurroundings();
}

// ---- Places: the private chat of the speaker, groups and their topics

function chatOpen() {
  return state.place.group ?? state.speaker;
}

function placeKey(chatId, topic) {
  const isForum = state.chats.get(chatId)?.is_forum;
  return isForum ? `${chatId}:${topic ?? ""}` : `${chatId}`;
}

function isHere(message) {
  const chat = state.chats.get(chatOpen());
  return !chat?.is_forum || (message.thread_id ?? null) === state.place.topic;
}

function isShown(message) {
  return Boolean(message.text || message.file || message.buttons.length) || isService(message);
}

// Service messages have neither text nor file, and apps show them as a line of their own.
function isService(message) {
  return !message.text && !message.file && Object.keys(message.service).length > 0;
}

// What a service message says; the fields are those of the Bot API.
function serviceText(message) {
  const by = fullName(message.sender);
  const { service } = message;
  const [kind] = Object.keys(service);
  switch (kind) {
    case "new_chat_members": {
      const others = service.new_chat_members.filter((one) => one.id !== message.sender?.id);
      return others.length ? text("added", by, others.map(fullName).join(", ")) : text("joined", by);
    }
    case "left_chat_member": {
      const gone = service.left_chat_member;
      return gone.id === message.sender?.id ? text("left", by) : text("removed", by, fullName(gone));
    }
    case "pinned_message":
      return text("pinned", by);
    case "new_chat_title":
      return text("titled", by, service.new_chat_title);
    case "forum_topic_created":
      return text("topicOpened", by, service.forum_topic_created.name);
    case "forum_topic_closed":
      return text("topicClosed", by);
    case "forum_topic_reopened":
      return text("topicReopened", by);
    case "migrate_to_chat_id":
    case "migrate_from_chat_id":
      return text("upgraded");
    default:
      return text("otherKind", kind);
  }
}

function groups() {
  return [...state.chats.values()].filter((chat) => chat.type !== "private");
}

function go(place, { focus = true } = {}) {
  state.place = place;
  setReply(null);
  closeDrawer();
  draw();
  if (focus) $("text").focus();
}

function speakAs(id) {
  state.speaker = id;
  setReply(null);
  draw();
}

// The apps of all people have the language of the page, so the bot answers in it.
function speakLanguage() {
  const code = state.language === "zh" ? "zh-hans" : "en";
  for (const person of state.people.filter((one) => one.language_code !== code)) {
    attempt(() => ask("language", { user_id: person.id, language_code: code }));
  }
}

// ---- Drawing what surrounds the messages

function draw() {
  document.documentElement.lang = state.language === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.matches("button")) element.title = text(element.dataset.label);
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = text(element.dataset.placeholder);
  }
  for (const button of document.querySelectorAll("[data-hours]")) {
    button.setAttribute("aria-label", text("advance", button.dataset.hours));
  }
  $("language").value = state.language;
  state.unread.delete(placeKey(chatOpen(), state.place.topic));
  drawSurroundings();
  drawSwitches();
  drawClock();
  drawLog();
}

function drawSurroundings() {
  drawChats();
  drawSpeakers();
  drawHeader();
}

function drawChats() {
  const items = [chatItem({ group: null, topic: null }, state.speaker, state.bot.name, text("bot"))];
  for (const chat of groups()) {
    if (!chat.is_forum) {
      items.push(chatItem({ group: chat.id, topic: null }, chat.id, chat.title, text("group")));
      continue;
    }
    const topics = [{ thread_id: null, name: text("general") }, ...chat.topics];
    const list = topics.map((topic) =>
      chatItem({ group: chat.id, topic: topic.thread_id }, chat.id, `# ${topic.name}`, null),
    );
    const head = make("div", { class: "chat-head" }, avatar(chat.title), name(chat.title, "forum"));
    items.push(make("li", {}, head, make("ul", { "aria-label": chat.title }, ...list)));
  }
  replaceKeepingFocus($("chats"), items);
}

function name(title, kind) {
  return make("span", { class: "names" }, make("strong", {}, title), make("small", {}, text(kind)));
}

function avatar(title) {
  return make("span", { class: "avatar", "aria-hidden": "true" }, (title || "?")[0]);
}

function chatItem(place, chatId, title, detail) {
  const isOpen = place.group === state.place.group && place.topic === state.place.topic;
  const names = make("span", { class: "names" }, make("strong", {}, title));
  if (detail) names.append(make("small", {}, detail));
  const button = make(
    "button",
    {
      type: "button",
      class: "chat",
      "aria-current": isOpen ? "true" : null,
      data: { key: `chat ${placeKey(chatId, place.topic)}` },
      onclick: () => go(place),
    },
    detail ? avatar(title) : null,
    names,
    badge(chatId, place.topic),
  );
  return make("li", {}, button);
}

function badge(chatId, topic) {
  const count = state.unread.get(placeKey(chatId, topic));
  if (!count) return null;
  return make("span", { class: "badge", "aria-label": text("unread", count) }, String(count));
}

function drawSpeakers() {
  const items = state.people.map((person) => {
    const radio = make("input", {
      type: "radio",
      name: "speaker",
      value: String(person.id),
      checked: person.id === state.speaker,
      data: { key: `speaker ${person.id}` },
      onchange: () => speakAs(person.id),
    });
    const role = person.role ? make("small", {}, text(person.role)) : null;
    const count = person.id === state.speaker ? null : badge(person.id, null);
    return make("label", { class: "speaker" }, radio, make("span", {}, person.name), role, count);
  });
  const legend = $("speakers").querySelector("legend");
  replaceKeepingFocus($("speakers"), [legend, ...items]);
}

function drawHeader() {
  const chat = state.place.group === null ? null : state.chats.get(state.place.group);
  const topic = chat?.topics.find((one) => one.thread_id === state.place.topic);
  const title = chat ? chat.title : state.bot.name;
  $("title").textContent = chat?.is_forum ? `${title} › ${topic?.name ?? text("general")}` : title;
  const people = chat ? chat.members.length : 0;
  $("subtitle").textContent = chat ? `${people} ${text("members")}` : `@${state.bot.username}`;
  $("avatar").textContent = (title || "?")[0];
  document.title = title || "File Relay";
}

function drawSwitches() {
  const line = Object.keys(LINES).find(
    (preset) =>
      LINES[preset].down_total === state.shape.down_total &&
      LINES[preset].up_total === state.shape.up_total,
  );
  fill($("line"), line ? Object.keys(LINES) : [...Object.keys(LINES), "custom"], line ?? "custom");
  fill($("flood"), FLOODS, state.flood.mode);
  $("hits").hidden = !state.flood.hits;
  $("hits").textContent = text("hits", state.flood.hits);
}

function fill(select, keys, chosen) {
  const options = keys.map((key) => make("option", { value: key }, text(key)));
  select.replaceChildren(...options);
  select.value = chosen;
}

function drawClock() {
  const { at, since, isRunning } = state.clock;
  if (!at) return;
  const now = new Date(isRunning ? at + performance.now() - since : at).toISOString();
  $("clock").dateTime = now;
  $("clock").textContent = `${now.slice(0, 10)} ${now.slice(11, 19)} UTC`;
}

// Replaces children; the focus stays on what has the same key.
function replaceKeepingFocus(parent, children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...children);
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

// ---- Drawing messages

function drawLog() {
  $("messages").replaceChildren();
  const shown = [...(state.messages.get(chatOpen())?.values() ?? [])];
  for (const message of shown.filter((one) => isShown(one) && isHere(one))) place(message);
  drawEmpty();
  toEnd();
}

function drawEmpty() {
  $("log").querySelector(".empty")?.remove();
  if ($("messages").querySelector(".message")) return;
  const note = make("p", { class: "empty" }, text("nothing"));
  if (state.place.group === null) {
    note.append(make("button", { type: "button", onclick: () => say("/start") }, text("start")));
  }
  $("log").append(note);
}

function updateLog(news) {
  const wasAtEnd = isAtEnd();
  for (const { chat_id, message_id } of news.gone ?? []) {
    if (chat_id === chatOpen()) removeMessage(message_id);
  }
  for (const { chat_id, message } of news.messages ?? []) {
    if (chat_id === chatOpen() && isShown(message) && isHere(message)) place(message);
  }
  drawEmpty();
  if (wasAtEnd) toEnd();
}

function removeMessage(id) {
  const item = $(`message-${id}`);
  if (!item) return;
  if (item.contains(document.activeElement)) $("text").focus();
  item.remove();
}

function isAtEnd() {
  const log = $("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function toEnd() {
  $("log").scrollTop = $("log").scrollHeight;
}

// Puts a message into the log, or changes the parts of it that have changed: a button that is being
// pressed must not be replaced by a new one that looks the same.
function place(message) {
  let item = $(`message-${message.id}`);
  if (isService(message)) {
    const line = make("li", { id: `message-${message.id}`, class: "service", tabIndex: -1 }, serviceText(message));
    if (item) item.replaceWith(line);
    else $("messages").append(line);
    return;
  }
  if (!item) {
    item = make("li", { id: `message-${message.id}`, tabIndex: -1 }, make("div", { class: "bubble" }));
    item.parts = {};
    $("messages").append(item);
  }
  const isOwn = message.sender?.id === state.speaker;
  item.className = isOwn ? "message own" : "message";
  const bubble = item.firstElementChild;
  const sender = state.place.group !== null && !isOwn ? fullName(message.sender) : null;
  part(item, bubble, "sender", sender, drawSender);
  part(item, bubble, "quote", quoted(message), drawQuote);
  part(item, bubble, "file", message.file, drawFile);
  part(item, bubble, "text", message.html, drawText);
  part(item, bubble, "reactions", message.reactions, drawReactions);
  part(item, bubble, "meta", [message.at, message.edited > 0], drawMeta);
  part(item, item, "keyboard", [message.id, message.buttons], drawKeyboard);
  part(item, item, "actions", [message.id, isOwn], drawActions);
}

function part(item, parent, key, value, build) {
  const written = JSON.stringify([value ?? null, state.language]);
  const old = item.parts[key];
  if (old?.written === written) return;
  const element = build(value);
  if (!old) parent.append(element);
  else {
    const focused = old.element.contains(document.activeElement) && document.activeElement;
    old.element.replaceWith(element);
    if (focused) {
      const same = element.querySelector(`[data-key="${CSS.escape(focused.dataset.key ?? "")}"]`);
      (same ?? item).focus({ preventScroll: true });
    }
  }
  item.parts[key] = { written, element };
}

function fullName(sender) {
  if (!sender) return "";
  return sender.last_name ? `${sender.first_name} ${sender.last_name}` : sender.first_name;
}

function summary(message) {
  if (isService(message)) return serviceText(message);
  return (message.text || message.file?.name || text(message.file?.kind ?? "file")).slice(0, 200);
}

function quoted(message) {
  const target = state.messages.get(chatOpen())?.get(message.reply_to);
  return target ? { id: target.id, name: fullName(target.sender), text: summary(target) } : null;
}

function drawSender(sender) {
  return make("div", { class: "sender", hidden: !sender }, sender ?? "");
}

function drawQuote(quote) {
  if (!quote) return make("div", { hidden: true });
  return make(
    "button",
    {
      type: "button",
      class: "quote",
      data: { key: "quote" },
      onclick: () => {
        const item = $(`message-${quote.id}`);
        item?.scrollIntoView({ block: "center" });
        item?.focus();
      },
    },
    make("strong", {}, quote.name),
    make("span", {}, quote.text),
  );
}

function drawFile(file) {
  if (!file) return make("div", { hidden: true });
  const kind = { document: "file", animation: "video", video_note: "video" }[file.kind] ?? file.kind;
  const title = file.name ?? text(kind);
  const size = file.size === null ? text("unknownSize") : bytes(file.size);
  const extension = /\.([a-z0-9]{1,4})$/i.exec(file.name ?? "")?.[1] ?? "";
  return make(
    "div",
    { class: "file" },
    make("span", { class: "icon-file", "aria-hidden": "true" }, extension.toLowerCase() || "•"),
    make("span", { class: "names" }, make("strong", {}, title), make("small", {}, size)),
  );
}

// Units of 1024, as Telegram's apps show them.
function bytes(count) {
  const units = ["B", "KB", "MB", "GB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

function drawText(html) {
  const element = make("div", { class: "text", hidden: !html });
  const parsed = new DOMParser().parseFromString(html ?? "", "text/html");
  for (const child of parsed.body.childNodes) element.append(rebuilt(child, true));
  return element;
}

const TAGS = { B: "strong", I: "em", U: "u", S: "s", BLOCKQUOTE: "blockquote", PRE: "pre" };

// Builds a node anew from the tags that Telegram has; anything else leaves only its text.
function rebuilt(node, findsLinks) {
  if (node.nodeType === Node.TEXT_NODE) {
    return findsLinks ? linked(node.data) : document.createTextNode(node.data);
  }
  const isCode = node.nodeName === "CODE" || node.nodeName === "PRE";
  const children = [...node.childNodes].map((one) =>
    rebuilt(one, findsLinks && !isCode && node.nodeName !== "A"),
  );
  if (node.nodeName === "A") return link(node.getAttribute("href"), children);
  if (node.nodeName === "CODE" && node.parentNode.nodeName !== "PRE") return code(children);
  if (node.nodeName === "TG-SPOILER") return make("span", { class: "spoiler", tabIndex: 0 }, ...children);
  if (node.nodeName in TAGS) return make(TAGS[node.nodeName], {}, ...children);
  const fragment = document.createDocumentFragment();
  fragment.append(...children);
  return fragment;
}

const FOUND = /https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]']|(?<![\w/])\/[a-z0-9_]{1,32}(?:@\w+)?(?![\w/])/gi;

function linked(words) {
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (const match of words.matchAll(FOUND)) {
    fragment.append(words.slice(from, match.index));
    fragment.append(match[0].startsWith("/") ? command(match[0]) : link(match[0], [match[0]]));
    from = match.index + match[0].length;
  }
  fragment.append(words.slice(from));
  return fragment;
}

function link(href, children) {
  const isSafe = /^(https?|mailto|tg):/i.test(href ?? "");
  const target = { target: "_blank", rel: "noopener noreferrer" };
  return make("a", isSafe ? { href, ...target, data: { key: href } } : {}, ...children);
}

function command(words) {
  const key = { key: words };
  return make("button", { type: "button", class: "command", data: key, onclick: () => say(words) }, words);
}

function code(children) {
  const element = make("code", { role: "button", tabIndex: 0, title: text("copy") }, ...children);
  element.dataset.key = "code";
  onPress(element, () => copy(element.textContent));
  return element;
}

function onPress(element, action) {
  element.addEventListener("click", action);
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      action();
    }
  });
}

function drawReactions(reactions) {
  const found = (reactions ?? []).map((emoji) => make("span", {}, emoji));
  return make("div", { class: "reactions", hidden: !found.length }, ...found);
}

function drawMeta([at, isEdited]) {
  const time = make("time", { datetime: at, title: `${at.slice(0, 19).replace("T", " ")} UTC` });
  time.textContent = at.slice(11, 16);
  return make("div", { class: "meta" }, isEdited ? `${text("edited")} ` : null, time);
}

function drawKeyboard([id, rows]) {
  const drawn = rows.map((row) =>
    make("div", { class: "row" }, ...row.map((button) => drawButton(id, button))),
  );
  return make("div", { class: "keyboard", hidden: !rows.length }, ...drawn);
}

function drawButton(id, button) {
  const data = { key: button.data ?? button.url ?? button.copy_text ?? button.text };
  if (button.url) {
    const element = link(button.url, [button.text, make("span", { class: "mark", "aria-hidden": "true" }, "↗")]);
    element.title = text("opens");
    return element;
  }
  const mark = button.copy_text ? make("span", { class: "mark", "aria-hidden": "true" }, "❏") : null;
  const element = make("button", { type: "button", data }, button.text, mark);
  element.addEventListener("click", () => {
    if (button.copy_text) copy(button.copy_text);
    else if (button.data) press(id, button, element);
  });
  return element;
}

function drawActions([id, isOwn]) {
  const reply = () => {
    setReply(state.messages.get(chatOpen())?.get(id) ?? null);
    $("text").focus();
  };
  const remove = () => attempt(() => ask("delete", { chat_id: chatOpen(), message_id: id }));
  const label = (key) => ({ type: "button", class: "icon", title: text(key), "aria-label": text(key) });
  return make(
    "div",
    { class: "actions" },
    make("button", { ...label("reply"), data: { key: "reply" }, onclick: reply }, "↩"),
    isOwn ? make("button", { ...label("remove"), data: { key: "remove" }, onclick: remove }, "🗑") : null,
  );
}

// ---- What the person does

async function press(messageId, button, element) {
  element.setAttribute("aria-busy", "true");
  try {
    const asked = { chat_id: chatOpen(), user_id: state.speaker, message_id: messageId };
    const query = await ask("press", { ...asked, button: button.data });
    const answer = await ask("query", { query_id: query });
    if (answer?.show_alert) showAlert(answer.text);
    else if (answer?.text) toast(answer.text);
  } catch (error) {
    // Apps drop the sign of waiting too when the bot does not answer.
    if (error.status !== 408) toast(text("failed") + error.message);
  } finally {
    element.removeAttribute("aria-busy");
  }
}

async function copy(words) {
  await attempt(async () => {
    await navigator.clipboard.writeText(words);
    toast(text("copied"));
  });
}

function showAlert(words) {
  $("alert-text").textContent = words;
  $("alert").showModal();
}

function toast(words) {
  const element = make("div", { class: "toast" }, words);
  $("toasts").append(element);
  setTimeout(() => element.remove(), 6000);
}

// Where the next message goes.
function target() {
  const chat = state.chats.get(chatOpen());
  const where = { chat_id: chatOpen(), user_id: state.speaker };
  if (state.reply) where.reply_to = state.reply.id;
  if (chat?.is_forum && state.place.topic !== null) where.thread_id = state.place.topic;
  return where;
}

async function say(words) {
  const where = target();
  setReply(null);
  await attempt(() => ask("send_text", { ...where, text: words }));
  toEnd();
}

async function submit() {
  const field = $("text");
  const words = field.value.trim();
  const files = state.staged;
  if (!words && !files.length) return;
  const where = target();
  field.value = "";
  grow();
  closeCompletion();
  setReply(null);
  stage([], { isNew: true });
  const sent = await attempt(async () => {
    if (files.length) await sendFiles(files, words, where);
    else await ask("send_text", { ...where, text: words });
    return true;
  });
  if (!sent) {
    // Nothing that was written is lost.
    field.value = words;
    stage(files, { isNew: true });
    grow();
  }
  toEnd();
}

async function sendFiles(files, caption, where) {
  const asMedia = $("as-media").checked;
  const waiting = make("div", { class: "toast" }, text("uploading"));
  $("toasts").append(waiting);
  try {
    const items = await Promise.all(
      files.map(async (file) => ({ upload: await upload(file), kind: kindOf(file, asMedia) })),
    );
    const captioned = caption ? { caption } : {};
    if (items.length === 1) await ask("send_file", { ...where, ...items[0], ...captioned });
    for (let from = 0; items.length > 1 && from < items.length; from += ALBUM) {
      const album = items.slice(from, from + ALBUM);
      await ask("send_album", { ...where, items: album, ...(from ? {} : captioned) });
    }
  } finally {
    waiting.remove();
  }
}

function kindOf(file, asMedia) {
  const kind = { image: "photo", video: "video", audio: "audio" }[file.type.split("/")[0]];
  return (asMedia && kind) || "document";
}

function setReply(message) {
  state.reply = message;
  $("reply").hidden = !message;
  $("reply-name").textContent = message ? fullName(message.sender) : "";
  $("reply-text").textContent = message ? summary(message) : "";
}

function stage(files, { isNew = false } = {}) {
  const added = [...files];
  if (added.some((file) => !file.size)) toast(text("empty"));
  state.staged = [...(isNew ? [] : state.staged), ...added.filter((file) => file.size)];
  $("tray").hidden = !state.staged.length;
  const items = state.staged.map((file) => {
    const remove = () => {
      stage(state.staged.filter((one) => one !== file), { isNew: true });
      $("text").focus();
    };
    const label = `${text("unstage")}: ${file.name}`;
    const button = make("button", { type: "button", class: "icon", "aria-label": label, onclick: remove }, "✕");
    return make("li", {}, make("span", {}, file.name), make("small", {}, bytes(file.size)), button);
  });
  $("staged").replaceChildren(...items);
  if (added.length && !isNew) $("text").focus();
}

function grow() {
  const field = $("text");
  field.rows = Math.min(8, field.value.split("\n").length);
}

// ---- Completion of commands

async function complete() {
  const typed = /^\/([a-z0-9_]*)$/i.exec($("text").value);
  if (!typed) {
    state.completion.isDismissed = false;
    closeCompletion();
    return;
  }
  if (state.completion.isDismissed) return;
  const asked = { chat_id: chatOpen(), user_id: state.speaker };
  const all = (await attempt(() => ask("commands", asked))) ?? [];
  if ($("text").value !== typed[0]) return;
  state.completion.commands = all.filter((one) => one.command.startsWith(typed[1].toLowerCase()));
  state.completion.active = 0;
  drawCompletion();
}

function drawCompletion() {
  const { commands, active } = state.completion;
  const items = commands.map((one, number) =>
    make(
      "li",
      {
        role: "option",
        id: `command-${number}`,
        "aria-selected": number === active ? "true" : "false",
        onpointerdown: (event) => event.preventDefault(),
        onclick: () => pick(number),
      },
      make("strong", {}, `/${one.command}`),
      make("span", {}, one.description),
    ),
  );
  $("completion").replaceChildren(...items);
  $("completion").hidden = !items.length;
  if (items.length) {
    $("text").setAttribute("aria-activedescendant", `command-${active}`);
    items[active].scrollIntoView({ block: "nearest" });
  } else $("text").removeAttribute("aria-activedescendant");
}

function closeCompletion() {
  state.completion.commands = [];
  drawCompletion();
}

// In a group, apps add the name of the bot.
function addressed(number) {
  const words = `/${state.completion.commands[number].command}`;
  return state.place.group === null ? words : `${words}@${state.bot.username}`;
}

function pick(number) {
  $("text").value = addressed(number);
  submit();
}

function completionKey(event) {
  const { commands, active } = state.completion;
  if (!commands.length) return false;
  const step = { ArrowDown: 1, ArrowUp: commands.length - 1 }[event.key];
  if (step) {
    state.completion.active = (active + step) % commands.length;
    drawCompletion();
  } else if (event.key === "Tab" && !event.shiftKey) {
    $("text").value = `${addressed(active)} `;
    closeCompletion();
  } else if (event.key === "Enter") pick(active);
  else if (event.key === "Escape") {
    state.completion.isDismissed = true;
    closeCompletion();
  } else return false;
  return true;
}

// ---- The drawer of narrow windows

function openDrawer() {
  document.body.classList.add("drawer-open");
  layOut();
  $("chats").querySelector("[aria-current], button")?.focus();
}

function closeDrawer() {
  document.body.classList.remove("drawer-open");
  layOut();
}

function layOut() {
  const isOpen = document.body.classList.contains("drawer-open");
  $("drawer").inert = narrow.matches && !isOpen;
  document.querySelector("main").inert = narrow.matches && isOpen;
  $("scrim").hidden = !(narrow.matches && isOpen);
  $("menu").setAttribute("aria-expanded", String(isOpen));
}

// ---- Listeners

function connectComposer() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (completionKey(event)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") setReply(null);
  });
  $("text").addEventListener("input", () => {
    grow();
    complete();
  });
  $("text").addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    stage(event.clipboardData.files);
  });
  $("attach").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => {
    stage($("files").files);
    $("files").value = "";
  });
  $("reply-cancel").addEventListener("click", () => {
    setReply(null);
    $("text").focus();
  });
}

function connectDrop() {
  const main = document.querySelector("main");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    main.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) main.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    main.classList.remove("dropping");
    stage(event.dataTransfer.files);
  });
}

function connectSwitches() {
  $("line").addEventListener("change", () => attempt(() => ask("shape", LINES[$("line").value] ?? {})));
  $("flood").addEventListener("change", () => attempt(() => ask("flood", { mode: $("flood").value })));
  $("advance").addEventListener("click", (event) => {
    const hours = Number(event.target.dataset.hours);
    if (hours) attempt(() => ask("clock", { advance: hours * 3600 }));
  });
  $("language").addEventListener("change", () => {
    state.language = $("language").value;
    store("language", state.language);
    draw();
    speakLanguage();
  });
}

function connectDrawer() {
  $("menu").addEventListener("click", openDrawer);
  $("scrim").addEventListener("click", () => {
    closeDrawer();
    $("menu").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("drawer-open")) return;
    closeDrawer();
    $("menu").focus();
  });
  narrow.addEventListener("change", closeDrawer);
  $("alert-close").addEventListener("click", () => $("alert").close());
}

connectComposer();
connectDrop();
connectSwitches();
connectDrawer();
layOut();
setInterval(drawClock, 1000);
listen();
