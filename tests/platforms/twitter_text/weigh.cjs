// Weighs texts as X does: a JSON list of texts comes in, a JSON list of their weights goes out.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const twitter = createRequire(`${process.argv[2]}/`)("twitter-text");
const texts = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map((text) => twitter.parseTweet(text).weightedLength)));
