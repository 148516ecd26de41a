import { defineConfig } from 'vitest/config';

// Plain modules under Node; the few that touch the DOM are shown in a real browser (tests/browser).
export default defineConfig({ test: { include: ['test/**/*.test.ts'], environment: 'node' } });
