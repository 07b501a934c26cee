// What stands around every page: the way to the others, who is shopping, the cart, language and theme.
import { Suspense } from 'react';
import { Link, NavLink, Outlet, ScrollRestoration, useNavigation } from 'react-router';
import { useCustomer } from '@/api/credentials';
import { useCart, useCarts } from '@/features/cart/cart';
import { askWho, SignInDialog } from '@/features/session/sign-in';
import { useLanguage, useText } from '@/i18n';
import { BasketIcon, MoonIcon, PersonIcon, SunIcon } from '@/ui/icons';
import { NoticeBoard } from '@/ui/notices';
import { useMode } from '@/ui/preferences';
import { Waiting } from '@/ui/small';

export function Shell() {
  const { t } = useText();
  const isGoing = useNavigation().state === 'loading';
  return (
    <div className="shell">
      <a className="skip" href="#content">{t('nav.skip')}</a>
      <header className="top">
        <Link to="/products" className="brand" aria-label="DOOS"><img src="/assets/common/mark.svg" alt="" width={26} height={26} /><span>DOOS</span></Link>
        <nav className="nav" aria-label={t('nav.main')}>
          <NavLink to="/products">{t('nav.shop')}</NavLink>
          <NavLink to="/orders">{t('nav.orders')}</NavLink>
          <NavLink to="/dashboard">{t('nav.dashboard')}</NavLink>
          <NavLink to="/admin">{t('nav.admin')}</NavLink>
        </nav>
        <div className="top-end">
          <Preferences />
          <Who />
          <CartLink />
        </div>
      </header>
      <div className={isGoing ? 'going' : 'going going-not'} aria-hidden="true" />
      <div id="content" tabIndex={-1} className="content">
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </div>
      <footer className="bottom">
        <span>{t('nav.footer')}</span>
        <a href="/docs">{t('nav.docs')}</a>
      </footer>
      <SignInDialog onSignedIn={useCarts.getState().takeOver} />
      <NoticeBoard />
      <ScrollRestoration />
    </div>
  );
}

function Preferences() {
  const { t, language } = useText();
  const choose = useLanguage((choice) => choice.choose);
  const { mode, choose: chooseMode } = useMode();
  return (
    <>
      <button type="button" className="top-button" lang={language === 'en' ? 'zh-CN' : 'en'} aria-label={t('prefs.language_label')} onClick={() => choose(language === 'en' ? 'zh' : 'en')}>
        {t('prefs.language')}
      </button>
      <button type="button" className="top-button" aria-label={t(mode === 'dark' ? 'prefs.light' : 'prefs.dark')} title={t(mode === 'dark' ? 'prefs.light' : 'prefs.dark')} onClick={() => chooseMode(mode === 'dark' ? 'light' : 'dark')}>
        {mode === 'dark' ? <SunIcon /> : <MoonIcon />}
      </button>
    </>
  );
}

function Who() {
  const { t } = useText();
  const user = useCustomer((customer) => customer.user);
  return (
    <button type="button" className="top-button who" onClick={() => askWho()} title={user ? t('user.switch') : t('user.sign_in')} aria-label={user ? `${t('user.current', { user })}; ${t('user.switch')}` : t('user.sign_in')}>
      <PersonIcon />
      <span>{user ?? t('user.sign_in')}</span>
    </button>
  );
}

function CartLink() {
  const { t } = useText();
  const { pieces } = useCart();
  return (
    <Link to="/cart" className="top-button cart-link" aria-label={t('nav.cart_count', { count: pieces })}>
      <BasketIcon />
      <span className="cart-count" data-empty={pieces === 0}>{pieces}</span>
    </Link>
  );
}
