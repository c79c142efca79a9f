// Drives the stand-in with ali-oss, in the environment that environments.py makes.
// Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
'use strict';

const { client, digest, job, odd, report, steps } = require('./node_steps.cjs');
const OSS = client('ali-oss');

const connect = (accessKeyId, accessKeySecret, endpoint = job.endpoint) =>
  new OSS({
    accessKeyId,
    accessKeySecret,
    endpoint,
    bucket: job.bucket,
    region: `oss-${job.region}`,
    authorizationV4: job.signature === 'v4',
  });

// Links of this client must name the bucket in a public host.
function presign() {
  const signer = connect(job.key_id, job.secret, `http://oss-${job.region}.aliyuncs.com`);
  if (job.signature === 'v4') return signer.signatureUrlV4('GET', 60, { headers: {} }, odd);
  return signer.signatureUrl(odd, { expires: 60 });
}

async function multipart() {
  const used = connect(job.key_id, job.secret);
  await used.multipartUpload('big/ü.bin', job.file, { partSize: 200 * 1024, parallel: 4 });
  return digest((await used.get('big/ü.bin')).content);
}

async function main() {
  const results = { multipart: await multipart() };
  const get = (used, name, options) => used.get(name, null, options);
  return { ...results, ...(await steps({ connect, get, presign })) };
}

report(main());
