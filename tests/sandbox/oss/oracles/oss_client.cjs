// Drives the stand-in with oss-client, in the environment that environments.py makes.
// Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
'use strict';

const dns = require('dns');

// This client writes the bucket into the host, always. Every name that it asks for is loopback.
dns.lookup = (name, options, callback) => {
  const done = callback || options;
  const found = { address: '127.0.0.1', family: 4 };
  if (options && options.all) return process.nextTick(done, null, [found]);
  return process.nextTick(done, null, found.address, found.family);
};

const { client, job, odd, report, standIn, steps } = require('./node_steps.cjs');
const { OSSObject } = client('oss-client');

const connect = (accessKeyId, accessKeySecret) =>
  new OSSObject({
    accessKeyId,
    accessKeySecret,
    endpoint: `http://oss-${job.region}.aliyuncs.com:${standIn.port}`,
    bucket: job.bucket,
  });

report(
  steps({
    connect,
    get: (used, name, options) => used.get(name, options),
    presign: used => used.signatureUrl(odd, { expires: 60 }),
  }),
);
