/** *Admin*: everybody's sessions, what they use and may, announcements, and the audit log. */

import { Announce } from './announcement';
import { AuditSearch } from './audit';
import { Limits } from './limits';
import { Usage } from './usage';
import { Wall } from './wall';

export function Admin() {
  return (
    <>
      <Wall />
      <Usage />
      <Limits />
      <Announce />
      <AuditSearch />
    </>
  );
}
