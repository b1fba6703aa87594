// Starts GraphiQL on this service. `?query=…&variables=…` opens the page with a query, so that one can be linked to.
'use strict';

const example = `# Shipslog's fleet, as it is now. Every field is documented: open the book on the left.
# The same as plain text: /graphql/schema.graphql
query Fleet {
  fleetSummary {
    position
    cores
    drifted
    templates {
      name
      latestVersion
      versions {
        version
        desiredInUse
        reportedInUse
        lastDeploymentSuccess
        lastDeploymentFailed
        lastDeploymentInProgress
      }
    }
  }
  jobs(first: 5) {
    nodes { id status progress { targets succeeded failed inProgress queued } }
  }
}

# Run this one and watch.
subscription Watch {
  fleetSummary { position cores drifted }
}
`;

const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
const given = new URLSearchParams(location.search);
const fetcher = GraphiQL.createFetcher({
  url: '/graphql',
  subscriptionUrl: `${scheme}//${location.host}/graphql/ws`,
});

ReactDOM.createRoot(document.getElementById('page')).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: example,
    query: given.get('query') ?? undefined,
    variables: given.get('variables') ?? undefined,
    shouldPersistHeaders: false,
  }),
);
