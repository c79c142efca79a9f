// A bot of grammY, in the environment that environments.py makes. Reads a job (JSON) from standard
// input, serves until /stop, and prints what it received and what became of its calls.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const grammy = require(path.join(job.modules, 'node_modules', 'grammy'));
const { Bot, GrammyError, InlineKeyboard, InputFile } = grammy;

const report = { files: [], presses: [], errors: {}, sent: [] };
const client = { apiRoot: job.server };
const bot = new Bot(job.token, { client });

const digest = data => crypto.createHash('sha256').update(data).digest('hex');

async function download(file) {
  const { file_path: at } = await bot.api.getFile(file.file_id);
  const answer = await fetch(`${job.server}/file/bot${job.token}/${at}`);
  return Buffer.from(await answer.arrayBuffer());
}

async function errorOf(name, work) {
  try {
    await work();
    report.errors[name] = 'none';
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error;
    const { error_code: code, description, parameters } = error;
    report.errors[name] = [code, description, parameters.retry_after ?? null];
  }
}

bot.command('stop', async () => {
  await bot.stop();
});

bot.command('upload', async ctx => {
  const bytes = Buffer.from('uploaded by grammY');
  const first = await ctx.replyWithDocument(new InputFile(bytes, 'up ü.bin'), { caption: 'Here' });
  const again = await ctx.replyWithDocument(first.document.file_id);
  const album = await ctx.replyWithMediaGroup([
    { type: 'document', media: new InputFile(bytes, '1.txt') },
    { type: 'document', media: new InputFile(bytes, '2.txt'), caption: 'Both' },
  ]);
  report.sent.push(first.document.file_name, again.document.file_unique_id === first.document.file_unique_id);
  report.sent.push(album.length, album[0].media_group_id === album[1].media_group_id);
});

bot.command('errors', async ctx => {
  const message = await ctx.reply('same');
  await errorOf('same', () => ctx.api.editMessageText(message.chat.id, message.message_id, 'same'));
  await errorOf('flood', () => ctx.reply('flooded'));
  await errorOf('long', () => ctx.reply('x'.repeat(4097)));
  await errorOf('empty', () => ctx.reply(''));
  await errorOf('parse', () => ctx.reply('<b>open', { parse_mode: 'HTML' }));
  await errorOf('button', () => ctx.reply('b', {
    reply_markup: new InlineKeyboard().text('long', 'x'.repeat(65)),
  }));
  await errorOf('chat', () => ctx.api.sendMessage(5, 'nobody'));
  await errorOf('edit', () => ctx.api.editMessageText(message.chat.id, 99999, 'gone'));
  await errorOf('delete', () => ctx.api.deleteMessage(message.chat.id, 99999));
  await errorOf('query', () => ctx.api.answerCallbackQuery('17'));
  await errorOf('file', () => ctx.api.getFile('no such file'));
  await errorOf('token', () => new Bot('123456:another-token', { client }).api.getMe());
  await errorOf('missing', () => ctx.api.raw.noSuchMethod({}));
  await ctx.reply('done');
});

bot.on(['message:document', 'message:photo'], async ctx => {
  const file = ctx.msg.document ?? ctx.msg.photo.at(-1);
  const bytes = await download(file);
  const kind = ctx.msg.document ? 'document' : 'photo';
  report.files.push([kind, file.file_name ?? null, bytes.length, digest(bytes), ctx.msg.caption ?? null]);
  if (ctx.msg.media_group_id !== undefined) return;
  await ctx.reply(`<b>${bytes.length}</b> bytes`, {
    parse_mode: 'HTML',
    reply_parameters: { message_id: ctx.msg.message_id },
    reply_markup: new InlineKeyboard().text('Edit', 'edit').row().url('Open', 'https://example.com/'),
  });
});

bot.callbackQuery(['edit', 'delete'], async ctx => {
  const { data, message, from } = ctx.callbackQuery;
  report.presses.push([data, message.text, from.first_name]);
  if (data === 'edit') {
    await ctx.editMessageText('Edited', { reply_markup: new InlineKeyboard().text('Delete', 'delete') });
    await ctx.answerCallbackQuery({ text: 'Done', show_alert: true });
  } else {
    await ctx.answerCallbackQuery();
    await ctx.deleteMessage();
  }
});

bot.catch(error => {
  throw error.error;
});

bot.start({ onStart: me => (report.me = me.username) }).then(
  () => process.stdout.write(JSON.stringify(report)),
);
