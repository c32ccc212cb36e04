// The tour of tests/test_openai_client.py with OpenAI's Node client: node openai_tour.mjs CLIENT BASE_URL
const [client, baseURL] = process.argv.slice(2);
const { default: OpenAI } = await import(client);
const openai = new OpenAI({ baseURL, apiKey: "unused" });
const model = "small-test";

const vectors = async (request) =>
  (await openai.embeddings.create({ model, ...request })).data.map((each) => each.embedding);

const refusal = async (request, ...fields) => {
  try {
    await openai.embeddings.create({ model, ...request });
  } catch (error) {
    return [error.constructor.name, error.status, ...fields.map((field) => error[field])];
  }
  return null;
};

// The first request meets a full queue, which the client waits for.
const several = await vectors({ input: ["a dog", "rain"] });
const lengths = [
  several,
  await vectors({ input: [98, 33, 101] }),
  await vectors({ input: [[98, 33], [5]] }),
  await vectors({ input: "a dog", dimensions: 4, encoding_format: "float" }),
].map((each) => each.map((vector) => vector.length));

const models = [];
for await (const each of openai.models.list()) models.push(each.id);

console.log(
  JSON.stringify({
    first: several[0],
    lengths,
    models,
    missing: await refusal({ model: "text-embedding-3-small", input: "a" }, "code"),
    broken: await refusal({ input: ["a", { image: "%%%" }] }, "param"),
    bad: await refusal({ input: [] }),
  }),
);
