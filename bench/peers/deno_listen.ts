/** The peer "Deno.listen": one read and one write at a time per connection, into memory of its own. */

/** The part of Deno that is used; written out so that type-checking does the same on both runtimes. */
interface DenoConnection {
  read(into: Uint8Array): Promise<number | null>;
  write(data: Uint8Array): Promise<number>;
  setNoDelay(on: boolean): void;
}
interface DenoListen {
  listen(options: { port: number; hostname: string }): AsyncIterable<DenoConnection> & { addr: { port: number } };
}

async function echo(connection: DenoConnection): Promise<void> {
  connection.setNoDelay(true);
  const memory = new Uint8Array(64 * 1024);
  for (let count = await connection.read(memory); count !== null; count = await connection.read(memory)) {
    for (let sent = 0; sent < count;) sent += await connection.write(memory.subarray(sent, count));
  }
}

const { Deno: deno } = globalThis as unknown as { Deno: DenoListen };
const listener = deno.listen({ port: 0, hostname: "127.0.0.1" });
console.log(`listening on http://127.0.0.1:${listener.addr.port}`);
// A client that is gone is no reason to end.
for await (const connection of listener) echo(connection).catch(() => {});
