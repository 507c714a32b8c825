// Sends mails by Nodemailer: {transport, mails} on standard input, as its
// documentation has them, and for each mail what sendMail came back with.
"use strict";

const { Transform } = require("stream");
const nodemailer = require("nodemailer");

// JSON has no bytes: {"base64": "..."} stands for them.
function revive(key, value) {
  const isBytes = value !== null && typeof value === "object" && "base64" in value;
  return isBytes ? Buffer.from(value.base64, "base64") : value;
}

// A plugin that sees what goes to the SMTP connection (nodemailer.com/plugins).
function recorder(into) {
  return (mail, callback) => {
    mail.message.processFunc((input) => {
      const tee = new Transform({
        transform(chunk, encoding, done) {
          into.push(chunk);
          done(null, chunk);
        },
      });
      return input.pipe(tee);
    });
    callback();
  };
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const job = JSON.parse(Buffer.concat(chunks).toString(), revive);
  const sent = [];
  let wire = [];
  const transporter = nodemailer.createTransport(job.transport);
  transporter.use("stream", (mail, callback) => recorder(wire)(mail, callback));
  for (const mail of job.mails) {
    wire = [];
    const one = { response: "", error: "", wire: "" };
    try {
      one.response = (await transporter.sendMail(mail)).response;
    } catch (error) {
      one.response = error.response || "";
      one.error = error.code || String(error);
    }
    one.wire = Buffer.concat(wire).toString("base64");
    sent.push(one);
  }
  transporter.close();
  console.log(JSON.stringify(sent));
}

main();
