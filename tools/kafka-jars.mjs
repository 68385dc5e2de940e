import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCommand, root, run, setStamp, stampIs } from './steps.mjs';

const VERSION = '4.1.0';
const ARTIFACTS = ['kafka_2.13', 'kafka-tools'];

/** Where the broker's class path is: `java -cp "<kafkaLib>/*" kafka.Kafka server.properties`. */
export const kafkaLib = join(root, '.cache', 'kafka', 'lib');

const pom = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>perfleet</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${ARTIFACTS.map((id) => `    <dependency><groupId>org.apache.kafka</groupId><artifactId>${id}</artifactId><version>${VERSION}</version></dependency>`).join('\n')}
  </dependencies>
</project>
`;

/**
 * Fetches the jars of a Kafka broker with Maven (92 files, 54 MB) unless they are there already.
 * The directory appears whole or not at all, so two runs at once do not disturb each other.
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<string>} the directory with the jars
 */
export async function ensureKafkaJars({ log = () => undefined } = {}) {
  const key = `${VERSION} ${ARTIFACTS.join(' ')}`;
  if (stampIs('kafka', key) && existsSync(kafkaLib)) return kafkaLib;
  if (!hasCommand('mvn'))
    throw new Error(
      'mvn is missing, so there is no Kafka broker to test against; install it: sudo apt-get install maven',
    );
  const base = join(root, '.cache', 'kafka');
  mkdirSync(base, { recursive: true });
  const work = mkdtempSync(join(base, 'fetch-'));
  try {
    writeFileSync(join(work, 'pom.xml'), pom);
    const args = ['-q', '-B', '-f', join(work, 'pom.xml'), 'dependency:copy-dependencies'];
    await run(`Kafka ${VERSION} jars`, 'mvn', [...args, `-DoutputDirectory=${join(work, 'lib')}`], { cwd: work });
    rmSync(kafkaLib, { recursive: true, force: true });
    renameSync(join(work, 'lib'), kafkaLib);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  setStamp('kafka', key);
  log(`Kafka ${VERSION}: ${readdirSync(kafkaLib).length} jars`);
  return kafkaLib;
}
