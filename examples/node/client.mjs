// Speaks a sentence over gRPC with the generated stubs, and prints what came back as JSON.
//
// Usage: node client.mjs HOST:PORT TOKEN
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TextToSpeechService } from "./gen/media/tts/v1/tts_pb.js";

const CALL_MILLISECONDS = 60_000;

const [target, token] = process.argv.slice(2);
if (!token) {
  console.error("usage: node client.mjs HOST:PORT TOKEN");
  process.exit(2);
}
const client = createClient(TextToSpeechService, createGrpcTransport({ baseUrl: `http://${target}` }));
const options = { headers: { authorization: `Bearer ${token}` }, timeoutMs: CALL_MILLISECONDS };

const { voices } = await client.listVoices({}, options);
const found = { voices: voices.length, contentType: "", audioBytes: 0 };
for await (const { event } of client.synthesizeStream({ text: "Hello from Node.", voice: "Aria" }, options)) {
  if (event.case === "header") {
    found.contentType = event.value.contentType;
  } else if (event.case === "done") {
    // A stream without `done` was cut.
    found.audioBytes = Number(event.value.audioBytes);
  }
}
console.log(JSON.stringify(found));
