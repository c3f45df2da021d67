// Shows /openapi.json with Swagger UI.
"use strict";

// Swagger UI would fetch audio again from its address, with GET and without the token.
const urls = new WeakMap();

function playable(content) {
  if (!urls.has(content)) {
    urls.set(content, URL.createObjectURL(content));
  }
  return urls.get(content);
}

function PlayAudioPlugin() {
  return {
    wrapComponents: {
      responseBody: (Original, system) => (props) => {
        const isAudio = /^audio\//i.test(props.contentType || "") && props.content instanceof Blob;
        return system.React.createElement(Original, isAudio ? { ...props, url: playable(props.content) } : props);
      },
    },
  };
}

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [PlayAudioPlugin],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // No schema is to be fetched from or sent to anywhere else.
  validatorUrl: null,
});
