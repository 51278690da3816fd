// Swagger UI over our own OpenAPI; nothing is asked of anybody else.
SwaggerUIBundle({ url: "/api/v1/openapi.json", dom_id: "#documentation", deepLinking: true, docExpansion: "list", defaultModelsExpandDepth: 0, tryItOutEnabled: true, validatorUrl: null });
