// Where the pages begin: data, words, theme, routes.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router/dom';
import { asProblem } from '@/api/problem';
import { router } from '@/routes/router';
import { ThemeProvider } from '@/ui/theme-provider';
import '@/ui/generated.css';
import '@/ui/styles/index.css';

const RETRIES_MAX = 3;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // Reading again is harmless, but only worth it when the refusal may go away.
      retry: (failures, error) => failures < RETRIES_MAX && asProblem(error).isWorthRepeating,
      retryDelay: (failures, error) => Math.max(400 * 2 ** failures, (asProblem(error).retryAfterSeconds ?? 0) * 1000),
    },
  },
});

const root = document.getElementById('root');
if (!root) throw new Error('the page has no root element');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ThemeProvider>
        <RouterProvider router={router} />
      </ThemeProvider>
    </QueryClientProvider>
  </StrictMode>,
);
