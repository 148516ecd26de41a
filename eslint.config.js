// Lint rules shared by the viewer page, the service's pages and the JupyterLab extension.
import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

export default defineConfig(
  {
    ignores: [
      '**/node_modules/',
      '.venv*/',
      'build/',
      'dist/',
      'docs/',
      '.demo/',
      'labextension/lib/',
      'labextension/streamspace_labextension/',
      'proxy/streamspace_proxy/',
      'streamspace_hub/service/static/',
      'labextension/src/schema.ts',
      'streamspace_hub/pages/src/schema.ts',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.recommendedTypeChecked, ...tseslint.configs.stylistic],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  { files: ['**/*.js'], languageOptions: { globals: globals.node } },
  // Scripts that tests put into pages.
  {
    files: ['tests/**/*.js'],
    languageOptions: { sourceType: 'script', globals: { ...globals.browser, scheduler: 'readonly' } },
  },
  prettier,
);
