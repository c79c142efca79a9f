// Drives the stand-in with oss-client, in the environment that environments.py makes.
// Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
'use strict';

const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const path = require('path');

// This client writes the bucket into the host, always. Every name that it asks for is loopback.
dns.lookup = (name, options, callback) => {
  const done = callback || options;
  const found = { address: '127.0.0.1', family: 4 };
  if (options && options.all) return process.nextTick(done, null, [found]);
  return process.nextTick(done, null, found.address, found.family);
};

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const { OSSObject } = require(path.join(job.modules, 'node_modules', 'oss-client'));
const content = fs.readFileSync(job.file);
const odd = "odd/a b+ü(1)~'.txt";
const port = new URL(job.endpoint).port;

const digest = data => crypto.createHash('sha256').update(data).digest('hex');

const connect = (accessKeyId, accessKeySecret) =>
  new OSSObject({
    accessKeyId,
    accessKeySecret,
    endpoint: `http://oss-${job.region}.aliyuncs.com:${port}`,
    bucket: job.bucket,
  });

const client = connect(job.key_id, job.secret);

async function codeOf(work) {
  try {
    await work();
  } catch (error) {
    return [error.status, error.code];
  }
  return ['not refused'];
}

// Asks for a URL without any library of OSS.
function statusOf(url) {
  const wanted = new URL(url);
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
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
  const options = { host: '127.0.0.1', port, path: '/__control/clock', method: 'POST' };
  return new Promise((resolve, reject) => {
    const request = http.request(options, answer => answer.resume().on('end', resolve));
    request.on('error', reject);
    request.end(JSON.stringify({ advance: seconds }));
  });
}

async function main() {
  const results = {};
  const put = await client.put(odd, content, { mime: 'a/b', meta: { m: '1' } });
  results.put_md5 = put.res.headers['content-md5'];
  results.get = digest((await client.get(odd)).content);
  results.range = digest((await client.get(odd, { headers: { Range: 'bytes=5-104' } })).content);
  const head = await client.head(odd);
  results.head = [head.res.headers['content-length'], head.res.headers['content-type'], head.meta.m];

  for (const name of ['l/1', 'l/2', 'l/x/3']) await client.put(name, Buffer.from('x'));
  const first = await client.list({ prefix: 'l/', 'max-keys': 2 });
  const second = await client.listV2({ prefix: 'l/', delimiter: '/' });
  results.list = [first.objects.map(entry => entry.name), first.isTruncated];
  results.grouped = [second.objects.map(entry => entry.name), second.prefixes];
  const removed = await client.deleteMulti(['l/1', 'l/2', 'l/x/3']);
  results.deleted = removed.deleted.map(entry => entry.Key);
  results.after_delete = (await client.listV2({ prefix: 'l/' })).objects || [];

  await client.putACL(odd, 'public-read');
  results.acl = (await client.getACL(odd)).acl;
  await client.copy('copy', odd);
  results.copy = digest((await client.get('copy')).content);

  results.wrong_secret = await codeOf(() => connect(job.key_id, 'wrong').put('k', Buffer.from('x')));
  results.unknown_key = await codeOf(() => connect('LTAI-other', 's').put('k', Buffer.from('x')));
  results.missing = await codeOf(() => client.get('missing'));

  const url = client.signatureUrl(odd, { expires: 60 });
  results.link = await statusOf(url);
  await advance(61);
  results.expired_link = await statusOf(url);
  process.stdout.write(JSON.stringify(results));
}

main().catch(error => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
