// Makes, starts and reads a campaign with the generated TypeScript client.

import {
  addRecipients,
  createCampaign,
  getCampaignReport,
  getMe,
  listConnections,
  listRecipients,
  startCampaign,
  uploadMedia,
} from "./carillon";
import type { CampaignReport, NewCampaign, Problem } from "./carillon";
import { client } from "./carillon/client.gen";

declare const process: { env: Record<string, string | undefined>; exitCode?: number };

const RECIPIENTS = 50;
const PAGE = 20;
const COMPLETED_WITHIN = 240_000;

async function main(): Promise<void> {
  const { CARILLON_URL, CARILLON_API_KEY } = process.env;
  client.setConfig({ baseUrl: CARILLON_URL, auth: () => CARILLON_API_KEY });
  const me = taken(await getMe());
  check(me.mode === "simulator", me);
  const [connection] = taken(await listConnections()).items;
  check(connection !== undefined, "there is a connection");
  await refuse(connection.id);
  const file = new Blob([new Uint8Array(64)], { type: "image/png" });
  const headers = { "Content-Type": file.type };
  const media = taken(await uploadMedia({ body: file, headers, query: { connection_id: connection.id } }));
  check(media.bytes === 64, media);
  const { id } = taken(await createCampaign({ body: campaignOf(connection.id, "TypeScript") }));
  await add(id);
  check((await read(id)).size === RECIPIENTS, "all recipients are listed");
  const started = taken(await startCampaign({ path: { id }, body: { expected_recipients: RECIPIENTS } }));
  check(started.status === "active", started);
  const { recipients, sent, pending, failed, skipped } = await completed(id);
  check(recipients === RECIPIENTS && sent === RECIPIENTS && pending + failed + skipped === 0, { recipients, sent });
  console.log(`TypeScript: a campaign with ${recipients} recipients was sent and read`);
}

function campaignOf(connection_id: string, name: string): NewCampaign {
  const components = [{ type: "body" as const, parameters: [{ type: "text" as const, text: "{first_name}" }] }];
  const template = { name: "opening", language: "es", components };
  return { name, connection_id, message: { type: "template", template }, daily_send_limit: 1_000 };
}

// A campaign without a name is refused, and the problem says so.
async function refuse(connection: string): Promise<void> {
  const { error } = await createCampaign({ body: campaignOf(connection, "") });
  const problem: Problem | undefined = error;
  check(problem?.status === 422 && problem.code === "validation_failed", problem);
  check(problem.errors?.length === 1 && problem.errors[0]?.pointer === "/name", problem);
}

async function add(id: string): Promise<void> {
  const body = Array.from({ length: RECIPIENTS }, (_, number) => ({
    phone: `+57300222${String(number).padStart(4, "0")}`,
    first_name: `Eva ${number}`,
  }));
  const report = taken(await addRecipients({ path: { id }, body }));
  check(report.added === RECIPIENTS && report.invalid_total === 0, report);
}

// The ids of all recipients, page by page.
async function read(id: string): Promise<Set<string>> {
  const found = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = taken(await listRecipients({ path: { id }, query: { limit: PAGE, cursor } }));
    check(page.items.length <= PAGE, page);
    page.items.forEach((item) => found.add(item.contact_id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

async function completed(id: string): Promise<CampaignReport> {
  const until = Date.now() + COMPLETED_WITHIN;
  for (;;) {
    const report = taken(await getCampaignReport({ path: { id } }));
    if (report.status === "completed") return report;
    check(Date.now() < until, report);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function taken<T>({ data, error }: { data?: T; error?: unknown }): T {
  check(data !== undefined, error);
  return data;
}

function check(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(`not so: ${JSON.stringify(what)}`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
