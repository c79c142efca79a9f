// Drives the stand-in with ali-oss, in the environment that environments.py makes.
// Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const OSS = require(path.join(job.modules, 'node_modules', 'ali-oss'));
const content = fs.readFileSync(job.file);
const odd = "odd/a b+ü(1)~'.txt";

const digest = data => crypto.createHash('sha256').update(data).digest('hex');

const connect = (accessKeyId, accessKeySecret, endpoint = job.endpoint) =>
  new OSS({
    accessKeyId,
    accessKeySecret,
    endpoint,
    bucket: job.bucket,
    region: `oss-${job.region}`,
    authorizationV4: job.signature === 'v4',
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

// Asks for a URL without any library of OSS. Links of this client must name the bucket in a public
// host: here the connection goes to the stand-in and the name into the header.
function statusOf(url) {
  const wanted = new URL(url);
  const target = new URL(job.endpoint);
  return new Promise((resolve, reject) => {
    const options = {
      host: target.hostname,
      port: target.port,
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
  const target = new URL(job.endpoint);
  const options = {
    host: target.hostname, port: target.port, path: '/__control/clock', method: 'POST',
  };
  return new Promise((resolve, reject) => {
    const request = http.request(options, answer => answer.resume().on('end', resolve));
    request.on('error', reject);
    request.end(JSON.stringify({ advance: seconds }));
  });
}

async function presign() {
  const signer = connect(job.key_id, job.secret, `http://oss-${job.region}.aliyuncs.com`);
  if (job.signature === 'v4') return signer.signatureUrlV4('GET', 60, { headers: {} }, odd);
  return signer.signatureUrl(odd, { expires: 60 });
}

async function main() {
  const results = {};
  await client.put(odd, content, { mime: 'a/b', meta: { m: '1' } });
  results.get = digest((await client.get(odd)).content);
  results.range = digest((await client.get(odd, null, { headers: { Range: 'bytes=5-104' } })).content);
  const head = await client.head(odd);
  results.head = [head.res.headers['content-length'], head.res.headers['content-type'], head.meta.m];

  await client.multipartUpload('big/ü.bin', job.file, { partSize: 200 * 1024, parallel: 4 });
  results.multipart = digest((await client.get('big/ü.bin')).content);

  for (const name of ['l/1', 'l/2', 'l/x/3']) await client.put(name, Buffer.from('x'));
  const first = await client.list({ prefix: 'l/', 'max-keys': 2 });
  const second = await client.listV2({ prefix: 'l/', delimiter: '/' });
  results.list = [first.objects.map(entry => entry.name), first.isTruncated];
  results.grouped = [second.objects.map(entry => entry.name), second.prefixes];
  await client.deleteMulti(['l/1', 'l/2', 'l/x/3']);
  results.after_delete = (await client.listV2({ prefix: 'l/' })).objects || [];

  await client.putACL(odd, 'public-read');
  results.acl = (await client.getACL(odd)).acl;
  await client.copy('copy', odd);
  results.copy = digest((await client.get('copy')).content);

  results.wrong_secret = await codeOf(() => connect(job.key_id, 'wrong').put('k', Buffer.from('x')));
  results.unknown_key = await codeOf(() => connect('LTAI-other', 's').put('k', Buffer.from('x')));
  results.missing = await codeOf(() => client.get('missing'));

  const url = await presign();
  results.link = await statusOf(url);
  await advance(61);
  results.expired_link = await statusOf(url);
  process.stdout.write(JSON.stringify(results));
}

main().catch(error => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
