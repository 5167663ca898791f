import { startBroker } from './broker.ts';

// The entry of the program that the lab runs outside of its cluster where an object asks for it: `node broker.mjs ADDRESS PORT`.

const [address = '', port = ''] = process.argv.slice(2);
try {
  await startBroker(address, Number(port));
  process.stdout.write('ready\n');
} catch (error) {
  process.stderr.write(
    `broker: Cannot listen on ${address} port ${port} because ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
}
