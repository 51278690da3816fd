// Swagger UI over our own OpenAPI; nothing is loaded from other servers.
SwaggerUIBundle({ url: "/api/v1/openapi.json", dom_id: "#documentation", deepLinking: true, docExpansion: "list", defaultModelsExpandDepth: 0, tryItOutEnabled: true, validatorUrl: null });
