// Starts GraphiQL over our own endpoint: the session's CSRF header goes with every request, and
// subscriptions go by the protocol graphql-transport-ws over a plain WebSocket.
(function () {
  'use strict';

  const url = document.currentScript.dataset.endpoint;
  const session = fetch('/me', { headers: { accept: 'application/json' } })
    .then((answer) => (answer.ok ? answer.json() : {}))
    .catch(() => ({}));

  async function headersWith(more) {
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...more };
    const token = (await session).csrf_token;
    if (token && !headers.authorization && !headers.Authorization) headers['x-csrf-token'] = token;
    return headers;
  }

  // GraphiQL gives an operation as parsed, too: what is asked for by name decides.
  function isSubscription(parameters, options) {
    const found = options && options.documentAST ? options.documentAST.definitions : [];
    const operations = found.filter((definition) => definition.kind === 'OperationDefinition');
    const named = operations.find(
      (one) => one.name && one.name.value === parameters.operationName,
    );
    const operation = named || (operations.length === 1 ? operations[0] : undefined);
    return operation !== undefined && operation.operation === 'subscription';
  }

  async function post(parameters, options) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: await headersWith(options && options.headers),
      body: JSON.stringify(parameters),
    });
    const type = answer.headers.get('content-type') || '';
    return type.includes('json') ? answer.json() : { errors: [{ message: await answer.text() }] };
  }

  function subscribe(parameters, options) {
    return {
      subscribe(observer) {
        const address = new URL(url, location.href);
        address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
        const socket = new WebSocket(address, 'graphql-transport-ws');
        let done = false;
        const send = (message) => socket.send(JSON.stringify(message));
        const end = (how, value) => {
          if (done) return;
          done = true;
          socket.close(1000);
          observer[how](value);
        };
        socket.onopen = async () =>
          send({ type: 'connection_init', payload: await headersWith(options && options.headers) });
        socket.onmessage = (event) => {
          const message = JSON.parse(event.data);
          if (message.type === 'connection_ack')
            send({ id: '1', type: 'subscribe', payload: parameters });
          else if (message.type === 'ping') send({ type: 'pong' });
          else if (message.type === 'next') observer.next(message.payload);
          else if (message.type === 'error') end('error', message.payload);
          else if (message.type === 'complete') end('complete');
        };
        socket.onclose = (event) =>
          end('error', new Error(event.reason || `The connection was closed (${event.code}).`));
        return {
          unsubscribe() {
            if (!done && socket.readyState === WebSocket.OPEN) send({ id: '1', type: 'complete' });
            done = true;
            socket.close(1000);
          },
        };
      },
    };
  }

  function fetcher(parameters, options) {
    return isSubscription(parameters, options) ? subscribe(parameters, options) : post(parameters, options);
  }

  const root = ReactDOM.createRoot(document.getElementById('graphiql'));
  root.render(
    React.createElement(GraphiQL, {
      fetcher,
      defaultQuery: '# The documentation is behind the book on the left.\n{\n  __typename\n}\n',
      shouldPersistHeaders: false,
    }),
  );
})();
