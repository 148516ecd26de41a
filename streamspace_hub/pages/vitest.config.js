import { defineConfig } from 'vitest/config';

// Plain modules under Node; what is shown is looked at in a real browser (tests/browser).
export default defineConfig({ test: { include: ['test/**/*.test.ts'], environment: 'node' } });
