// What the drivers of both Node clients share: the job from standard input, the control of the
// stand-in, requests without any library of OSS, and the steps in which the two clients agree.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const content = fs.readFileSync(job.file);
const odd = "odd/a b+ü(1)~'.txt";
const standIn = new URL(job.endpoint);

const client = name => require(path.join(job.modules, 'node_modules', name));

const digest = data => crypto.createHash('sha256').update(data).digest('hex');

async function codeOf(work) {
  try {
    await work();
  } catch (error) {
    return [error.status, error.code];
  }
  return ['not refused'];
}

// Links name the bucket in a host: the connection goes to the stand-in and the name into the header.
function statusOf(url) {
  const wanted = new URL(url);
  return new Promise((resolve, reject) => {
    const options = {
      host: standIn.hostname,
      port: standIn.port,
      path: wanted.pathname + wanted.search,
      headers: { Host: wanted.host },
    };
    http
      .get(options, answer => {
        const chunks = [];
        answer.on('data', chunk => chunks.push(chunk));
        answer.on('end', () => {
          const body = Buffer.concat(chunks);
          const late = body.includes('Request has expired.') ? 'expired' : 'other';
          resolve([answer.statusCode, answer.statusCode === 200 ? digest(body) : late]);
        });
      })
      .on('error', reject);
  });
}

function advance(seconds) {
  const options = {
    host: standIn.hostname, port: standIn.port, path: '/__control/clock', method: 'POST',
  };
  return new Promise((resolve, reject) => {
    const request = http.request(options, answer => answer.resume().on('end', resolve));
    request.on('error', reject);
    request.end(JSON.stringify({ advance: seconds }));
  });
}

// `get` differs between the clients; `connect` takes an id and a secret, `presign` makes a link.
async function steps({ connect, get, presign }) {
  const used = connect(job.key_id, job.secret);
  const results = {};
  const put = await used.put(odd, content, { mime: 'a/b', meta: { m: '1' } });
  results.put_md5 = put.res.headers['content-md5'];
  results.get = digest((await used.get(odd)).content);
  results.range = digest((await get(used, odd, { headers: { Range: 'bytes=5-104' } })).content);
  const head = await used.head(odd);
  results.head = [head.res.headers['content-length'], head.res.headers['content-type'], head.meta.m];

  for (const name of ['l/1', 'l/2', 'l/x/3']) await used.put(name, Buffer.from('x'));
  const first = await used.list({ prefix: 'l/', 'max-keys': 2 });
  const second = await used.listV2({ prefix: 'l/', delimiter: '/' });
  results.list = [first.objects.map(entry => entry.name), first.isTruncated];
  results.grouped = [second.objects.map(entry => entry.name), second.prefixes];
  const removed = await used.deleteMulti(['l/1', 'l/2', 'l/x/3']);
  results.deleted = removed.deleted.map(entry => entry.Key);
  results.after_delete = (await used.listV2({ prefix: 'l/' })).objects || [];

  await used.putACL(odd, 'public-read');
  results.acl = (await used.getACL(odd)).acl;
  await used.copy('copy', odd);
  results.copy = digest((await used.get('copy')).content);

  results.wrong_secret = await codeOf(() => connect(job.key_id, 'wrong').put('k', Buffer.from('x')));
  results.unknown_key = await codeOf(() => connect('LTAI-other', 's').put('k', Buffer.from('x')));
  results.missing = await codeOf(() => used.get('missing'));

  const url = await presign(used);
  results.link = await statusOf(url);
  await advance(61);
  results.expired_link = await statusOf(url);
  return results;
}

function report(work) {
  work.then(
    results => process.stdout.write(JSON.stringify(results)),
    error => {
      process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    },
  );
}

module.exports = { client, digest, job, odd, report, standIn, steps };
